"""Opening a key and signing a request for one route."""

from typing import NamedTuple

from apikeys.sealing import CannotOpen, open_sealed
from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.gateway.signing import (
    CannotSign,
    Credentials,
    CredentialsRefused,
    Signing,
    TokenServiceUnavailable,
)
from endpoints.gateway.upstream.censor import secret_strings
from endpoints.gateway.upstream.client import Request
from endpoints.usage.counts import Outcome

from . import failures
from .destinations import OriginMismatch, Plan, plan_of
from .failures import RouteFailed
from .key_marks import KeyMarks
from .pauses import Extent
from .provider_request import unsigned_request


class Prepared(NamedTuple):
    """A signed request, and the secrets that no response may repeat."""

    plan: Plan
    request: Request
    secrets: list[bytes]


async def prepare(
    client: ClientRequest, route: FoundRoute, signing: Signing, marks: KeyMarks
) -> Prepared:
    """Return the request to send through ``route``. Raises ``RouteFailed`` and ``Refusal``."""
    try:
        plan = plan_of(route.transport, route.config)
        opened = open_sealed(route.sealed, owner=route.owner, towards=plan.origins)
        request, destination = unsigned_request(client, route, plan)
    except (CannotOpen, OriginMismatch) as error:
        raise failures.key_unreadable(str(error)) from None
    except (ValueError, LookupError):
        raise failures.key_unreadable(failures.MALFORMED) from None
    secrets = secret_strings(opened)
    try:
        credentials = Credentials(route.owner, plan, opened)
        obtained = await signing.sign(request, destination.headers, credentials)
    except CredentialsRefused as error:  # on any path, as the token service said so
        signing.forget(route.owner)
        marks.note_refused(route, error.status)
        refusal = Refusal(Problem.KEY_REFUSED, refusal=error)
        raise RouteFailed(Outcome.REFUSED, refusal, is_hopeless=True) from None
    except TokenServiceUnavailable as error:
        refusal = Refusal(Problem.TOKEN_SERVICE_UNAVAILABLE, why=error)
        raise RouteFailed(Outcome.UNREACHABLE, refusal, silent=Extent.KEY) from None
    except CannotSign as error:
        refusal = Refusal(Problem.CANNOT_SIGN, why=error)
        raise RouteFailed(Outcome.UNREACHABLE, refusal, is_hopeless=True) from None
    secrets += [value.encode() for value in obtained]
    return Prepared(plan, request, secrets)
