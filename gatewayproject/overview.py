"""The first page: how many there are of what, what needs somebody, and what happened last."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apikeys.models import ApiKey, Event
from apikeys.models.deadlines import Status
from endpoints.models import Endpoint, GatewayToken

LATEST = 8
ASK_FOR = (Status.REFUSED, Status.EXPIRED, Status.OVERDUE, Status.DUE)


@dataclass(frozen=True)
class Call:
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
            "calls": [call for call in _calls() if call.count],
            "events": Event.objects.all()[:LATEST],
        },
    )


def _calls() -> Iterator[Call]:
    without_key = Endpoint.objects.in_state("no_key").count()
    url = f"{reverse('endpoints:list')}?state=no_key"
    yield Call(without_key, "endpoint", "without a key", url)
    for status in ASK_FOR:
        count = ApiKey.objects.in_status(status).count()
        url = f"{reverse('apikeys:list')}?status={status}"
        yield Call(count, "API key", status.label.lower(), url)
