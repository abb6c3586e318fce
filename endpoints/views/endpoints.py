"""The pages of endpoints."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from apikeys.actors import Actor
from apikeys.models import Event
from apikeys.pages import (
    may,
    page_of,
    posted,
    render_form,
    require_form_methods,
    require_page_methods,
    with_query,
)
from apikeys.services import Conflict
from endpoints import services
from endpoints.forms.endpoint_list import EndpointListForm
from endpoints.forms.endpoints import DeleteEndpointForm, EndpointForm
from endpoints.forms.rearranging import rearranged
from endpoints.forms.routes import flat, typed_rows
from endpoints.models import Endpoint
from endpoints.services.routes import name_of

from .showing_routes import RoutesInFull, RoutesInShort

HISTORY = 50
TYPED = ("name", "description", "rev")
PREFILLED = ("name", "description", "model", "api_key")


@require_page_methods
def endpoint_list(request: HttpRequest) -> HttpResponse:
    form = EndpointListForm(request.GET)
    page = page_of(form.endpoints(), Endpoint.objects.with_routes(), request.GET.get("page"))
    rows = [(endpoint, RoutesInShort.of(endpoint)) for endpoint in page]
    return render(request, "endpoints/list.html", {"form": form, "page": page, "rows": rows})


@require_page_methods
def endpoint_detail(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = get_endpoint(name)
    events = Event.objects.about(endpoint)[:HISTORY]
    context = {"endpoint": endpoint, "routes": RoutesInFull.of(endpoint), "events": events}
    return render(request, "endpoints/detail.html", context)


@require_form_methods
@may("endpoints.add_endpoint")
def endpoint_new(request: HttpRequest) -> HttpResponse:
    if away := _without_saving(request, "endpoints/new.html", Endpoint()):
        return away
    endpoint = Endpoint()
    form = EndpointForm(posted(request), endpoint=endpoint, initial=_from_url(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.create_endpoint(endpoint, form.routes, by=Actor.of(request))
        except ValidationError as error:
            form.show(error)
        else:
            messages.success(request, f"Created {endpoint.name}.")
            return redirect(endpoint)
    return render_form(request, "endpoints/new.html", form)


@require_form_methods
@may("endpoints.change_endpoint")
def endpoint_edit(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = get_endpoint(name)
    if away := _without_saving(request, "endpoints/edit.html", endpoint):
        return away
    form = EndpointForm(posted(request), endpoint=endpoint, initial=_from_url(request))
    context = {"endpoint": get_endpoint(name)}
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.update_endpoint(
                endpoint, form.routes, by=Actor.of(request), rev=form.cleaned_data.get("rev") or 0
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:
            return _edit_again(request, name)
        else:
            saved = (
                f"Saved {endpoint.name}." if changed else f"Nothing was changed in {endpoint.name}."
            )
            messages.success(request, saved)
            return redirect(endpoint)
    return render_form(request, "endpoints/edit.html", form, **context)


@require_form_methods
@may("endpoints.delete_endpoint")
def endpoint_delete(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = get_endpoint(name)
    form = DeleteEndpointForm(posted(request), endpoint=endpoint)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            services.delete_endpoint(
                endpoint,
                by=Actor.of(request),
                rev=data.get("rev") or 0,
                confirmation=data.get("confirmation", ""),
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:
            form = DeleteEndpointForm(endpoint=get_endpoint(name))
            context = {"endpoint": get_endpoint(name), "conflict": True}
            return render_form(request, "endpoints/delete.html", form, **context, status=409)
        else:
            messages.success(request, f"Deleted {endpoint.name}.")
            return redirect("endpoints:list")
    return render_form(request, "endpoints/delete.html", form, endpoint=endpoint)


def _edit_again(request: HttpRequest, name: str) -> HttpResponse:
    """Somebody else saved first: what was typed stays, on top of what is stored now."""
    endpoint = get_endpoint(name)
    data = request.POST.copy()
    data["rev"] = str(endpoint.rev)
    form = EndpointForm(data, endpoint=endpoint)
    latest = Event.objects.about(endpoint).first()
    context = {"endpoint": get_endpoint(name), "conflict": latest}
    return render_form(request, "endpoints/edit.html", form, **context, status=409)


def _without_saving(request: HttpRequest, template: str, endpoint: Endpoint) -> HttpResponse | None:
    """Answer the buttons that only change the form: create a key first, add a route, move one."""
    if "create_key" in request.POST:
        return _create_key_first(request)
    result = rearranged(request.POST)
    if result is None:
        return None
    typed = _typed(request) | {"enabled": "enabled" in request.POST} | flat(result.rows)
    form = EndpointForm(endpoint=endpoint, initial=typed, focus=result.focus)
    return render_form(request, template, form, endpoint=endpoint, told=result.told)


def _create_key_first(request: HttpRequest) -> HttpResponse:
    """Go and create a key, and come back to this form with what was typed."""
    number = _number(request.POST["create_key"])
    enabled = "yes" if "enabled" in request.POST else "no"
    typed = _typed(request) | flat(typed_rows(request.POST)) | {name_of("api_key", number): ""}
    kept = {name: text[:1000] for name, text in typed.items()}
    back = with_query(request.path, **kept, enabled=enabled, key_for=str(number))
    return redirect(with_query(reverse("apikeys:new"), next=back))


def _typed(request: HttpRequest) -> dict[str, Any]:
    return {name: request.POST.get(name, "") for name in TYPED}


def _from_url(request: HttpRequest) -> dict[str, Any]:
    """What the URL brings along for the form: a few values, or all of it and a key just made."""
    query = request.GET
    if "key_for" in query:
        *before, made = query.getlist("api_key") or [""]
        rows = {
            "api_key": "".join(before[-1:]),
            name_of("api_key", _number(query["key_for"])): made,
        }
        kept = dict.fromkeys(TYPED, "") | query.dict() | rows
    else:
        kept = {name: query[name] for name in PREFILLED if name in query}
    if "enabled" in query:
        kept["enabled"] = query["enabled"] != "no"
    return kept


def _number(text: str) -> int:
    """Return which route is meant; whatever else was sent, the first."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 1


def get_endpoint(name: str) -> Endpoint:
    """Return the endpoint with its routes, or raise ``Http404``."""
    if "\0" in name:  # PostgreSQL refuses even to look for it
        raise Http404
    return get_object_or_404(Endpoint.objects.with_routes(), name=name)
