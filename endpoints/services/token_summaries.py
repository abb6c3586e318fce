"""What lists and pages show of gateway tokens beyond their rows, for many tokens at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from endpoints.models import Endpoint, GatewayToken
from endpoints.traffic import traffic

SOON = timedelta(days=7)
NAMED = 3  # a list names as many endpoints, and counts more
NAMED_ON_A_PAGE = 200

Through = GatewayToken.endpoints.through


@dataclass
class TokenFacts:
    token: GatewayToken
    endpoint_count: int = 0
    endpoints: list[Endpoint] = field(default_factory=list)
    last_used: datetime | None = None

    @property
    def left_out(self) -> int:
        """Return how many endpoints are not named."""
        return self.endpoint_count - len(self.endpoints)

    @property
    def expires_soon(self) -> bool:
        expiry = self.token.expires_at
        is_active = self.token.state() == GatewayToken.State.ACTIVE
        return is_active and expiry is not None and expiry - timezone.now() < SOON


def facts_about(tokens: Iterable[GatewayToken]) -> list[TokenFacts]:
    """Return the facts of each token, in three queries. Endpoints are named where they are few."""
    facts = {token.pk: TokenFacts(token) for token in tokens}
    links = Through.objects.filter(gatewaytoken__in=facts)
    for pk, count in links.values_list("gatewaytoken").annotate(Count("pk")).order_by():
        facts[pk].endpoint_count = count
    few = [pk for pk, fact in facts.items() if 0 < fact.endpoint_count <= NAMED]
    by_name = Through.objects.filter(gatewaytoken__in=few).order_by("endpoint__name")
    for link in by_name.select_related("endpoint"):
        facts[link.gatewaytoken_id].endpoints.append(link.endpoint)
    for pk, last_at in traffic().last_uses(facts).items():
        facts[pk].last_used = last_at
    return list(facts.values())


def facts_of(token: GatewayToken) -> TokenFacts:
    """Return the facts of one token, with its endpoints by name."""
    (facts,) = facts_about([token])
    facts.endpoints = list(token.endpoints.order_by("name")[:NAMED_ON_A_PAGE])
    return facts
