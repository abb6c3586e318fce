"""The first page: how many there are of what, what needs somebody, and what happened last."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apikeys.models import ApiKey, Event
from apikeys.models.deadlines import NEED_ROTATION
from endpoints.models import Endpoint, GatewayToken

LATEST = 8


@dataclass(frozen=True)
class Attention:
    """Things of one kind that somebody should look at, and where they are listed."""

    count: int
    noun: str
    state: str
    url: str


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "overview.html",
        {
            "api_keys": ApiKey.objects.count(),
            "endpoints": Endpoint.objects.count(),
            "tokens": GatewayToken.objects.of_applications().count(),
            "attention": [kind for kind in _attention() if kind.count],
            "events": Event.objects.all()[:LATEST],
        },
    )


def _attention() -> Iterator[Attention]:
    without_key = Endpoint.objects.in_state(Endpoint.State.NO_KEY).count()
    url = f"{reverse('endpoints:list')}?state={Endpoint.State.NO_KEY}"
    yield Attention(without_key, "endpoint", "without a key", url)
    for status in NEED_ROTATION:
        count = ApiKey.objects.in_status(status).count()
        url = f"{reverse('apikeys:list')}?status={status}"
        yield Attention(count, "API key", status.label.lower(), url)
