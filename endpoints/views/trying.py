"""Calling an endpoint from its own page."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from apikeys.actors import Actor
from apikeys.pages import may
from endpoints.models import Endpoint
from endpoints.services import issue_trial_token


@require_POST
@may("endpoints.change_endpoint")
def endpoint_try(request: HttpRequest, name: str) -> JsonResponse:
    """Give the page a token for a few minutes: what it shows went through the gateway for real."""
    endpoint = get_object_or_404(Endpoint, name=name)
    return JsonResponse({"token": issue_trial_token(endpoint, by=Actor.of(request))})
