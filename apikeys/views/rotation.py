"""Rotate an API key, test its credentials, disable and enable it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.forms import ActionForm, DisableForm, PromoteForm, StageForm, TestForm
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.decorators import may, require_form_methods
from gatewayproject.console.views import posted, render_form

from .list_position import ListPosition
from .test_credentials import TONES, one_at_a_time

Form = TypeVar("Form", bound=ActionForm)


@require_form_methods
@may("apikeys.change_apikey")
def api_key_stage(request: HttpRequest, pk: UUID) -> HttpResponse:
    def stage(api_key: ApiKey, form: StageForm) -> None:
        _, notes = services.stage_credentials(
            form.draft,
            by=Actor.of(request),
            rev=form.seen_rev,
            remove=form.removed,
            expires_at=form.cleaned_data.get("expires_at"),
        )
        staged = f"Staged new credentials for {api_key.name}."
        messages.success(request, f"{staged} Test them, then promote them.")
        for note in notes:
            messages.info(request, note)

    return _run(request, pk, stage, StageForm, "apikeys/stage.html", next_view="apikeys:stage")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    def test(api_key: ApiKey, form: TestForm) -> None:
        with one_at_a_time(request) as is_free:
            if not is_free:
                raise ValidationError("Please wait 2 seconds between tests.")
            result = services.run_credential_test(
                api_key, by=Actor.of(request), rev=form.seen_rev, slot=form.cleaned_data["slot"]
            )
        level = TONES.get(result.outcome, "warning")
        getattr(messages, level)(request, result.message)

    return _run(request, pk, test, TestForm, "apikeys/test.html")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_promote(request: HttpRequest, pk: UUID) -> HttpResponse:
    def promote(api_key: ApiKey, form: PromoteForm) -> None:
        services.promote_credentials(
            api_key,
            by=Actor.of(request),
            rev=form.seen_rev,
            confirmation=form.cleaned_data.get("confirmation", ""),
            compromised=form.cleaned_data["compromised"],
        )
        messages.success(request, f"Promoted: {api_key.name} uses the new credentials.")

    kept_until = timezone.localdate() + timedelta(days=settings.PREVIOUS_KEPT_DAYS)
    return _run(request, pk, promote, PromoteForm, "apikeys/promote.html", kept_until=kept_until)


@require_form_methods
@may("apikeys.change_apikey")
def api_key_roll_back(request: HttpRequest, pk: UUID) -> HttpResponse:
    def roll_back(api_key: ApiKey, form: ActionForm) -> None:
        services.roll_back_credentials(api_key, by=Actor.of(request), rev=form.seen_rev)
        rolled_back = f"Rolled back: {api_key.name} uses the previous credentials again."
        messages.success(request, rolled_back)

    return _run(request, pk, roll_back, ActionForm, "apikeys/roll_back.html")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_discard(request: HttpRequest, pk: UUID) -> HttpResponse:
    def discard(api_key: ApiKey, form: ActionForm) -> None:
        services.discard_pending(api_key, by=Actor.of(request), rev=form.seen_rev)
        messages.success(request, f"Discarded the pending credentials of {api_key.name}.")

    return _run(request, pk, discard, ActionForm, "apikeys/discard.html")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_destroy(request: HttpRequest, pk: UUID) -> HttpResponse:
    def destroy(api_key: ApiKey, form: ActionForm) -> None:
        services.destroy_previous(api_key, by=Actor.of(request), rev=form.seen_rev)
        messages.success(request, f"Destroyed the previous credentials of {api_key.name}.")

    return _run(request, pk, destroy, ActionForm, "apikeys/destroy.html")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_disable(request: HttpRequest, pk: UUID) -> HttpResponse:
    def disable(api_key: ApiKey, form: DisableForm) -> None:
        services.disable_api_key(
            api_key, by=Actor.of(request), rev=form.seen_rev, seen=form.cleaned_data["seen"]
        )
        messages.success(request, f"Disabled {api_key.name}. Requests no longer use it.")

    return _run(request, pk, disable, DisableForm, "apikeys/disable.html")


@require_form_methods
@may("apikeys.change_apikey")
def api_key_enable(request: HttpRequest, pk: UUID) -> HttpResponse:
    def enable(api_key: ApiKey, form: ActionForm) -> None:
        services.enable_api_key(api_key, by=Actor.of(request), rev=form.seen_rev)
        messages.success(request, f"Enabled {api_key.name}.")

    return _run(request, pk, enable, ActionForm, "apikeys/enable.html")


def _run(
    request: HttpRequest,
    pk: UUID,
    action: Callable[[ApiKey, Form], None],
    form_class: type[Form],
    template: str,
    *,
    next_view: str = "",
    **context: Any,
) -> HttpResponse:
    """Show the form of ``action``, or run it if the form was posted. 409 if the key has changed.

    ``next_view`` is the name of the same page of the next key in the list.
    """
    api_key = get_object_or_404(ApiKey.objects.with_versions(), pk=pk)
    radius = blast_radius_of(api_key)
    position = ListPosition.of(request)
    place = position.place_of(api_key) if next_view else None
    form = form_class(posted(request), api_key=api_key, radius=radius)
    if request.method == "POST" and form.is_valid():
        try:
            action(api_key, form)
        except ValidationError as error:
            form.show(error)
        except Conflict:
            seen_rev = form.seen_rev
            api_key = get_object_or_404(ApiKey.objects.with_versions(), pk=pk)
            radius = blast_radius_of(api_key)
            form = form_class(api_key=api_key, radius=radius)
            event = AuditEvent.objects.about(api_key).first()
            # With the same revision, the endpoints have changed.
            context["conflict"] = {"radius": api_key.rev == seen_rev, "event": event}
            context["status"] = 409
        else:
            if "next" in request.POST and place and place.next:
                return redirect(reverse(next_view, args=[place.next]) + position.parameter)
            return redirect(api_key.get_absolute_url() + position.parameter)
    context |= {"api_key": api_key, "radius": radius, "position": position, "place": place}
    return render_form(request, template, form, **context)
