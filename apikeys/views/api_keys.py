"""See, edit and delete API keys."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from apikeys import dependents, services
from apikeys.actors import Actor
from apikeys.forms import ApiKeyForm, ApiKeyListForm, DeleteApiKeyForm
from apikeys.models import ApiKey, Event
from apikeys.pages import (
    may,
    page_of,
    posted,
    render_form,
    require_form_methods,
    require_page_methods,
)

HISTORY = 50


@require_page_methods
def api_key_list(request: HttpRequest) -> HttpResponse:
    form = ApiKeyListForm(request.GET)
    page = page_of(form.keys(), ApiKey.objects.for_list(), request.GET.get("page"))
    counts = dependents.registry().counts([api_key.pk for api_key in page])
    rows = [(api_key, counts.get(api_key.pk, 0)) for api_key in page]
    return render(request, "apikeys/list.html", {"form": form, "page": page, "rows": rows})


@require_page_methods
def api_key_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = _get(pk)
    return render(
        request,
        "apikeys/detail.html",
        {
            "api_key": api_key,
            "radius": api_key.blast_radius(),
            "unreadable": api_key.unreadable_because(),
            "events": Event.objects.about(api_key)[:HISTORY],
        },
    )


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
    radius = api_key.blast_radius()
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.update_api_key(
                api_key,
                by=Actor.of(request),
                rev=form.cleaned_data.get("rev") or 0,
                remove=form.removed,
            )
        except ValidationError as error:
            form.show(error)
        except services.Conflict:
            return _edit_again(request, pk)
        else:
            _report(request, api_key, changed)
            return redirect(api_key)
    return render_form(request, "apikeys/edit.html", form, api_key=_get(pk), radius=radius)


def _edit_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Somebody else saved first: what was typed stays, on top of what is stored now."""
    api_key = _get(pk)
    data = request.POST.copy()
    data["rev"] = str(api_key.rev)
    form = ApiKeyForm(data, api_key=_get(pk))
    latest = Event.objects.about(api_key).first()
    return render_form(
        request,
        "apikeys/edit.html",
        form,
        api_key=api_key,
        radius=api_key.blast_radius(),
        conflict=latest,
        status=409,
    )


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
