"""Rotate an API key, and switch it off and on: each act has a page that says what it does."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apikeys import services
from apikeys.actors import Actor
from apikeys.checks import CheckResult
from apikeys.dependents import BlastRadius
from apikeys.models import ApiKey, Event
from apikeys.pages import may, posted, render_form, require_form_methods

from .acts import CHECK, Act
from .testing import TONES, one_at_a_time


@require_form_methods
@may("apikeys.change_apikey")
def api_key_act(request: HttpRequest, pk: UUID, act: Act) -> HttpResponse:
    """Show what ``act`` does, and do it when it is posted. 409 where the key moved on meanwhile."""
    api_key, radius = _look(pk)
    form = act.form(posted(request), api_key=api_key, radius=radius)
    conflict = None
    if request.method == "POST" and form.is_valid():
        try:
            outcome = act.service(api_key, by=Actor.of(request), **form.given)
        except ValidationError as error:
            form.show(error)
        except services.Conflict:
            seen = form.given["rev"]
            api_key, radius = _look(pk)
            form = act.form(api_key=api_key, radius=radius)
            conflict = _what_changed(api_key, since=seen)
        else:
            _tell(request, act, api_key, outcome)
            return redirect(api_key)
    context = {"api_key": api_key, "radius": radius, "act": act, "conflict": conflict}
    context["is_idle"] = bool(act.needs) and getattr(api_key, act.needs) is None
    if conflict:
        context["status"] = 409
    return render_form(request, act.template, form, **context)


@require_form_methods
@may("apikeys.change_apikey")
def api_key_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    def check(api_key: ApiKey, **given: Any) -> CheckResult:
        with one_at_a_time(request) as is_free:
            if not is_free:
                raise ValidationError("Tests take turns: wait two seconds, then test again.")
            return services.check_credentials(api_key, **given)

    return api_key_act(request, pk, replace(CHECK, service=check))


def _look(pk: UUID) -> tuple[ApiKey, BlastRadius]:
    api_key = get_object_or_404(ApiKey.objects.with_versions(), pk=pk)
    return api_key, api_key.blast_radius()


def _what_changed(api_key: ApiKey, *, since: int) -> dict[str, Any]:
    """Return who changed the key; where nobody did, it is what depends on it that changed."""
    only_radius = api_key.rev == since
    return {"radius": only_radius, "event": Event.objects.about(api_key).first()}


def _tell(request: HttpRequest, act: Act, api_key: ApiKey, outcome: Any) -> None:
    if isinstance(outcome, CheckResult):
        level = TONES.get(outcome.outcome, "warning")
        getattr(messages, level)(request, outcome.message)
    else:
        messages.success(request, act.done.format(api_key.name))
    for note in api_key.notes:
        messages.info(request, note)
