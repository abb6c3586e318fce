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
from endpoints.forms import DeleteEndpointForm, EndpointForm, EndpointListForm
from endpoints.models import Endpoint, Route

HISTORY = 50
KEPT = ("name", "model", "description", "api_key")


@require_page_methods
def endpoint_list(request: HttpRequest) -> HttpResponse:
    form = EndpointListForm(request.GET)
    page = page_of(form.endpoints(), Endpoint.objects.with_routes(), request.GET.get("page"))
    return render(request, "endpoints/list.html", {"form": form, "page": page})


@require_page_methods
def endpoint_detail(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = _get(name)
    context = {"endpoint": endpoint, "events": Event.objects.about(endpoint)[:HISTORY]}
    return render(request, "endpoints/detail.html", context)


@require_form_methods
@may("endpoints.add_endpoint")
def endpoint_new(request: HttpRequest) -> HttpResponse:
    if "create_key" in request.POST:
        return _create_key_first(request)
    endpoint, route = Endpoint(), Route()
    form = EndpointForm(posted(request), endpoint=endpoint, route=route, initial=_kept(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.create_endpoint(endpoint, route, by=Actor.of(request))
        except ValidationError as error:
            form.show(error)
        else:
            messages.success(request, f"Created {endpoint.name}.")
            return redirect(endpoint)
    return render_form(request, "endpoints/new.html", form)


@require_form_methods
@may("endpoints.change_endpoint")
def endpoint_edit(request: HttpRequest, name: str) -> HttpResponse:
    if "create_key" in request.POST:
        return _create_key_first(request)
    endpoint = _get(name)
    route = endpoint.primary_route() or Route(endpoint=endpoint)
    form = EndpointForm(posted(request), endpoint=endpoint, route=route, initial=_kept(request))
    context = {"endpoint": _get(name)}
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.update_endpoint(
                endpoint, route, by=Actor.of(request), rev=form.cleaned_data.get("rev") or 0
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
    endpoint = _get(name)
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
            form = DeleteEndpointForm(endpoint=_get(name))
            context = {"endpoint": _get(name), "conflict": True}
            return render_form(request, "endpoints/delete.html", form, **context, status=409)
        else:
            messages.success(request, f"Deleted {endpoint.name}.")
            return redirect("endpoints:list")
    return render_form(request, "endpoints/delete.html", form, endpoint=endpoint)


def _edit_again(request: HttpRequest, name: str) -> HttpResponse:
    """Somebody else saved first: what was typed stays, on top of what is stored now."""
    endpoint = _get(name)
    data = request.POST.copy()
    data["rev"] = str(endpoint.rev)
    route = endpoint.primary_route() or Route(endpoint=endpoint)
    form = EndpointForm(data, endpoint=endpoint, route=route)
    latest = Event.objects.about(endpoint).first()
    context = {"endpoint": _get(name), "conflict": latest}
    return render_form(request, "endpoints/edit.html", form, **context, status=409)


def _create_key_first(request: HttpRequest) -> HttpResponse:
    """Go and create a key, and come back to this form with what was typed."""
    kept = {name: request.POST.get(name, "")[:1000] for name in KEPT if name != "api_key"}
    kept["enabled"] = "yes" if "enabled" in request.POST else "no"
    return redirect(with_query(reverse("apikeys:new"), next=with_query(request.path, **kept)))


def _kept(request: HttpRequest) -> dict[str, Any]:
    """What the URL brings along for the form."""
    kept: dict[str, Any] = {name: request.GET[name] for name in KEPT if name in request.GET}
    if "enabled" in request.GET:
        kept["enabled"] = request.GET["enabled"] != "no"
    return kept


def _get(name: str) -> Endpoint:
    if "\0" in name:  # PostgreSQL refuses even to look for it
        raise Http404
    return get_object_or_404(Endpoint.objects.with_routes(), name=name)
