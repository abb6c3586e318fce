"""See, edit and delete API keys."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from apikeys import dependents, services
from apikeys.actors import Actor
from apikeys.forms import ApiKeyForm, ApiKeyListForm, DeleteApiKeyForm
from apikeys.models import ApiKey, Event
from apikeys.models.deadlines import Status
from apikeys.models.key_versions import SLOTS
from apikeys.pages import (
    may,
    page_of,
    posted,
    render_form,
    require_form_methods,
    require_page_methods,
)

from .testing import test_typed, was_asked_to_test

HISTORY = 50


@require_page_methods
def api_key_list(request: HttpRequest) -> HttpResponse:
    form = ApiKeyListForm(request.GET)
    page = page_of(form.keys(), ApiKey.objects.for_list(), request.GET.get("page"))
    counts = dependents.registry().counts([api_key.pk for api_key in page])
    here = reverse("apikeys:list")
    rows = [_row(api_key, here, counts.get(api_key.pk, 0)) for api_key in page]
    return render(request, "apikeys/list.html", {"form": form, "page": page, "rows": rows})


def _row(api_key: ApiKey, here: str, endpoint_count: int) -> dict[str, Any]:
    """Return what a row shows, found and escaped once: a template does so at each mention."""
    provider = api_key.provider
    statuses = api_key.statuses()
    age = (timezone.now() - (api_key.current or api_key).created_at).days
    return {
        "url": escape(f"{here}{api_key.pk}/"),
        "name": escape(api_key.name),
        "provider": provider.name,
        "monogram": provider.monogram,
        "hue": provider.hue,
        "readable": api_key.is_readable(),
        "hint": api_key.current.hint if api_key.current else "",
        "ambient": api_key.scheme.ambient,
        "environment": api_key.environment,
        "environment_label": api_key.get_environment_display(),
        "endpoint_count": endpoint_count,
        "updated": api_key.credentials_changed_at,
        "age": age if age > 30 else 0,  # of the credentials: rolling back makes none younger
        "created": api_key.created_at,
        "statuses": statuses,
        "way_back": api_key.rev if Status.REFUSED in statuses and api_key.previous_id else 0,
    }


@require_page_methods
def api_key_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = get_object_or_404(ApiKey.objects.with_versions(), pk=pk)
    versions = list(_versions(api_key))
    return render(
        request,
        "apikeys/detail.html",
        {
            "api_key": api_key,
            "radius": api_key.blast_radius(),
            "unreadable": api_key.unreadable_because(),
            "versions": versions,
            "way_back": any(v["slot"] == "previous" and not v["misfit"] for v in versions),
            "events": Event.objects.about(api_key)[:HISTORY],
        },
    )


def _versions(api_key: ApiKey) -> Iterator[dict[str, Any]]:
    """Yield each version that there is, and why one that is not in use could not be."""
    for slot in SLOTS:
        version = getattr(api_key, slot)
        if version is not None:
            misfit = "" if slot == "current" else api_key.misfit_of(version)
            yield {"slot": slot, "version": version, "misfit": misfit}


@require_page_methods
def api_key_endpoints(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The names behind the count in the list."""
    api_key = _get(pk)
    context = {"api_key": api_key, "radius": api_key.blast_radius()}
    return render(request, "apikeys/endpoints.html", context)


@require_form_methods
@may("apikeys.change_apikey")
def api_key_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = _get(pk)
    form = ApiKeyForm(posted(request), api_key=api_key)
    if was_asked_to_test(request):
        tested = test_typed(request, form)
        return _edit_page(request, form, tested=tested, status=tested.status)
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.update_api_key(
                api_key,
                by=Actor.of(request),
                rev=form.cleaned_data.get("rev") or 0,
                remove=form.removed,
                compromised=form.cleaned_data.get("compromised", False),
            )
        except ValidationError as error:
            form.show(error)
        except services.Conflict:
            return _edit_again(request, pk)
        else:
            _report(request, api_key, changed)
            return redirect(api_key)
    return _edit_page(request, form)


def _edit_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Somebody else saved first: what was typed stays, on top of what is stored now."""
    api_key = _get(pk)
    data = request.POST.copy()
    data["rev"] = str(api_key.rev)
    form = ApiKeyForm(data, api_key=api_key)
    return _edit_page(request, form, conflict=Event.objects.about(api_key).first(), status=409)


def _edit_page(request: HttpRequest, form: ApiKeyForm, **context: Any) -> HttpResponse:
    """Show ``form``, around it the key as it is stored: the form's own holds what was typed."""
    stored = _get(form.api_key.pk)
    context |= {"api_key": stored, "radius": stored.blast_radius()}
    return render_form(request, "apikeys/edit.html", form, **context)


def _report(request: HttpRequest, api_key: ApiKey, changed: list[str]) -> None:
    if changed:
        messages.success(request, f"Saved {api_key.name}.")
    else:
        messages.info(request, f"Nothing was changed in {api_key.name}.")
    for note in api_key.notes:
        messages.info(request, note)


@require_form_methods
@may("apikeys.delete_apikey")
def api_key_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = _get(pk)
    radius = api_key.blast_radius()
    typed = request.POST.get("replacement") or request.GET.get("replacement", "")
    form = DeleteApiKeyForm(posted(request), api_key=api_key, radius=radius, typed=typed)
    context = {"api_key": api_key, "radius": radius}
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            services.delete_api_key(
                api_key,
                by=Actor.of(request),
                seen=data["seen"],
                replacement=data.get("replacement"),
                confirmation=data.get("confirmation", ""),
            )
        except ValidationError as error:
            form.show(error)
        except services.Conflict:
            form = DeleteApiKeyForm(api_key=api_key, radius=api_key.blast_radius(), typed=typed)
            context["radius"] = api_key.blast_radius()
            return render_form(
                request, "apikeys/delete.html", form, **context, conflict=True, status=409
            )
        else:
            messages.success(request, f"Deleted {api_key.name}.")
            return redirect("apikeys:list")
    return render_form(request, "apikeys/delete.html", form, **context)


def _get(pk: UUID) -> ApiKey:
    return get_object_or_404(ApiKey.objects.with_details(), pk=pk)
