"""Calling an endpoint from its own page."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from endpoints.services import issue_trial_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.decorators import may

from .endpoints import get_endpoint


@require_POST
@may("endpoints.change_endpoint")
def endpoint_try(request: HttpRequest, name: str) -> JsonResponse:
    """Give the page a token for a few minutes: what it shows went through the gateway for real."""
    endpoint = get_endpoint(name)
    return JsonResponse({"token": issue_trial_token(endpoint, by=Actor.of(request))})
