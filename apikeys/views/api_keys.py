"""See, edit and delete API keys."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from apikeys import blast_radius, services
from apikeys.blast_radius import blast_radius_of
from apikeys.forms import ApiKeyForm, ApiKeyListForm, DeleteApiKeyForm
from apikeys.forms.delete import deleted
from apikeys.models import ApiKey
from apikeys.models.api_key import SLOTS
from apikeys.models.deadlines import Status
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.decorators import (
    may,
    require_form_methods,
    require_page_methods,
    without_empty_parameters,
)
from gatewayproject.console.list_pages import page_of
from gatewayproject.console.views import add_merge_message, posted, render_form

from .list_position import ListPosition
from .test_credentials import test_typed, was_asked_to_test

MAX_EVENTS = 50
ANY_KEY = UUID(int=0)
ROW_PAGES = ("detail", "endpoints", "edit", "delete", "roll_back")  # linked from a row of the list
ABOUT_EXPIRY = (Status.EXPIRED, Status.EXPIRING)  # shown beside the date


@require_page_methods
@without_empty_parameters
def api_key_list(request: HttpRequest) -> HttpResponse:
    form = ApiKeyListForm(request.GET)
    keys = form.keys()
    page = page_of(
        keys.parts_sorted_by(form.sort_key),
        ApiKey.objects.for_list().annotate(endpoint_count=blast_radius.registry().count()),
        request.GET.get("page"),
        whole=keys,
    )
    for api_key in page:
        api_key.scheme = form.schemes[api_key.scheme_id]
    urls = {name: reverse(f"apikeys:{name}", args=[ANY_KEY]) for name in ROW_PAGES}
    rows = [_row(api_key, urls) for api_key in page]
    position = ListPosition(request.GET.urlencode())
    return_here = urlencode({"next": position.url}) if position.query else ""
    context = {
        "form": form,
        "page": page,
        "rows": rows,
        "position": position,
        "may_select": request.user.has_perm("apikeys.change_apikey")
        or request.user.has_perm("apikeys.delete_apikey"),
        "return_here": return_here and f"?{return_here}",
        "copy_here": return_here and f"&{return_here}",
    }
    return render(request, "apikeys/list.html", context)


def _row(api_key: Any, urls: Mapping[str, str]) -> dict[str, Any]:
    """Return what a row shows. ``urls`` are those of ``ANY_KEY``, reversed once a page."""
    provider = api_key.provider
    statuses = api_key.statuses()
    age = (timezone.now() - (api_key.current or api_key).created_at).days
    return {
        "pk": str(api_key.pk),
        "urls": {name: url.replace(str(ANY_KEY), str(api_key.pk)) for name, url in urls.items()},
        "name": api_key.name,
        "provider": provider.name,
        "monogram": provider.monogram,
        "hue": provider.hue,
        "readable": api_key.is_readable(),
        "hint": api_key.current.hint if api_key.current else "",
        "ambient": api_key.scheme.ambient,
        "environment": api_key.environment,
        "environment_label": api_key.get_environment_display(),
        "endpoint_count": api_key.endpoint_count,
        "last_used": api_key.last_used_at,
        "expires": api_key.expires_at,
        "updated": api_key.credentials_changed_at,
        "age": age if age > 30 else 0,  # of the credentials; rolling back does not reset it
        "created": api_key.created_at,
        "statuses": [status for status in statuses if status not in ABOUT_EXPIRY],
        "expiry_statuses": [status for status in statuses if status in ABOUT_EXPIRY],
        "way_back": api_key.rev if Status.REFUSED in statuses and api_key.previous_id else 0,
    }


@require_page_methods
def api_key_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = get_object_or_404(ApiKey.objects.with_versions(), pk=pk)
    versions = []
    for slot in SLOTS:
        version = getattr(api_key, slot)
        if version is not None:
            version.api_key = api_key
            misfit = "" if slot == "current" else api_key.misfit_of(version)
            versions.append({"slot": slot, "version": version, "misfit": misfit})
    return render(
        request,
        "apikeys/detail.html",
        {
            "api_key": api_key,
            "radius": blast_radius_of(api_key),
            "unreadable": api_key.unreadable_because(),
            "restrictions": api_key.current.restrictions.all()
            if api_key.restricted and api_key.current
            else [],
            "versions": versions,
            "way_back": any(v["slot"] == "previous" and not v["misfit"] for v in versions),
            "events": AuditEvent.objects.about(api_key)[:MAX_EVENTS],
            "position": ListPosition.of(request),
        },
    )


@require_page_methods
def api_key_endpoints(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The endpoints that the list counts."""
    api_key = _get(pk)
    context = {
        "api_key": api_key,
        "radius": blast_radius_of(api_key),
        "position": ListPosition.of(request),
    }
    return render(request, "apikeys/endpoints.html", context)


@require_form_methods
@may("apikeys.change_apikey")
def api_key_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = _get(pk)
    position = ListPosition.of(request)
    place = position.place_of(api_key)  # saving may take the key out of the list
    form = ApiKeyForm(posted(request), api_key=api_key)
    if was_asked_to_test(request):
        tested = test_typed(request, form)
        return _edit_page(request, form, tested=tested, status=tested.status)
    is_late = False
    if request.method == "POST" and form.is_valid() and form.draft:
        try:
            api_key, changed, notes = services.update_api_key(
                form.draft,
                by=Actor.of(request),
                rev=form.cleaned_data.get("rev") or 0,
                remove=form.removed,
                compromised=form.cleaned_data.get("compromised", False),
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:  # saved by another process since this request began
            form, is_late = ApiKeyForm(form.data, api_key=_get(pk)), True
        else:
            if changed:
                messages.success(request, f"Saved {api_key.name}.")
            else:
                messages.info(request, f"Nothing was changed in {api_key.name}.")
            for note in notes:
                messages.info(request, note)
            add_merge_message(request, form.review)
            if "next" in request.POST and place and place.next:
                return redirect(reverse("apikeys:edit", args=[place.next]) + position.parameter)
            return redirect(position.url if position.is_known else api_key)
    if is_late or form.review.is_needed:
        return _edit_page(request, form, status=409)
    return _edit_page(request, form)


def _edit_page(request: HttpRequest, form: ApiKeyForm, **context: Any) -> HttpResponse:
    """Show ``form`` with the key as it is stored now."""
    stored = _get(form.api_key.pk)
    position = ListPosition.of(request)
    context |= {
        "api_key": stored,
        "radius": blast_radius_of(stored),
        "position": position,
        "place": position.place_of(stored),
    }
    return render_form(request, "apikeys/edit.html", form, **context)


@require_form_methods
@may("apikeys.delete_apikey")
def api_key_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = _get(pk)
    radius = blast_radius_of(api_key)
    typed = request.POST.get("replacement") or request.GET.get("replacement", "")
    form = DeleteApiKeyForm(posted(request), api_key=api_key, radius=radius, typed=typed)
    position = ListPosition.of(request)
    context: dict[str, Any] = {"api_key": api_key, "radius": radius, "position": position}
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
        except Conflict:
            form = DeleteApiKeyForm(api_key=api_key, radius=blast_radius_of(api_key), typed=typed)
            context["radius"] = blast_radius_of(api_key)
            return render_form(
                request, "apikeys/delete.html", form, **context, conflict=True, status=409
            )
        else:
            messages.success(request, deleted(api_key, radius, form))
            return redirect(position.url)
    return render_form(request, "apikeys/delete.html", form, **context)


def _get(pk: UUID) -> ApiKey:
    return get_object_or_404(ApiKey.objects.with_details(), pk=pk)
