"""The pages of endpoints."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import mark_safe

from endpoints import services
from endpoints.forms.endpoint_draft import EndpointDraft, initial_from
from endpoints.forms.endpoints import DeleteEndpointForm, EndpointForm
from endpoints.forms.filters import EndpointListForm
from endpoints.forms.route_buttons import rearranged
from endpoints.models import Endpoint, GatewayToken
from endpoints.services.health import health_of, unhealthy_counts
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
from gatewayproject.console.views import add_saved_messages, posted, render_form, with_query

from .route_summaries import RoutesInFull, RoutesInShort

HISTORY = 50
COUNTED = 5_000  # endpoints; beyond, counting the unhealthy ones takes longer than the page


@require_page_methods
@without_empty_parameters
def endpoint_list(request: HttpRequest) -> HttpResponse:
    form = EndpointListForm(request.GET)
    page = page_of(form.endpoints(), Endpoint.objects.with_routes(), request.GET.get("page"))
    health = health_of(list(page))
    rows = [(endpoint, RoutesInShort.of(endpoint), health[endpoint.pk]) for endpoint in page]
    is_counted = page.paginator.count <= COUNTED and not form.is_filtered
    unhealthy = unhealthy_counts() if is_counted else []
    context = {"form": form, "page": page, "rows": rows, "unhealthy": unhealthy}
    return render(request, "endpoints/list.html", context)


@require_page_methods
def endpoint_detail(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = get_endpoint(name)
    events = AuditEvent.objects.about(endpoint)[:HISTORY]
    health = health_of([endpoint], opening=True)[endpoint.pk]
    context = {
        "endpoint": endpoint,
        "health": health,
        "routes": RoutesInFull.of(endpoint, health),
        "events": events,
    }
    return render(request, "endpoints/detail.html", context)


@require_form_methods
@may("endpoints.add_endpoint")
def endpoint_new(request: HttpRequest) -> HttpResponse:
    if response := _without_saving(request, "endpoints/new.html", Endpoint()):
        return response
    endpoint = Endpoint()
    form = EndpointForm(posted(request), endpoint=endpoint, initial=initial_from(request.GET))
    if request.method == "POST" and form.is_valid():
        try:
            services.create_endpoint(endpoint, form.routes, by=Actor.of(request))
        except ValidationError as error:
            form.show(error)
        else:
            messages.success(request, f"Created {endpoint.name}.")
            if (
                request.user.has_perm("endpoints.add_gatewaytoken")
                and not GatewayToken.objects.exists()
            ):
                context = {"endpoint": endpoint}
                steps = render_to_string("endpoints/next_steps.html", context, request)
                messages.info(request, mark_safe(steps), extra_tags="next-steps")  # noqa: S308
            return redirect(endpoint)
    return render_form(request, "endpoints/new.html", form)


@require_form_methods
@may("endpoints.change_endpoint")
def endpoint_edit(request: HttpRequest, name: str) -> HttpResponse:
    endpoint = get_endpoint(name)
    if response := _without_saving(request, "endpoints/edit.html", endpoint):
        return response
    form = EndpointForm(posted(request), endpoint=endpoint, initial=initial_from(request.GET))
    is_late = False
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.update_endpoint(
                endpoint, form.routes, by=Actor.of(request), rev=form.cleaned_data.get("rev") or 0
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:  # another user saved since this request began
            form, is_late = EndpointForm(form.data, endpoint=get_endpoint(name)), True
        else:
            add_saved_messages(request, endpoint, changed, form.review)
            return redirect(endpoint)
    is_conflict = is_late or form.review.is_needed
    return render_form(
        request, "endpoints/edit.html", form, is_conflict=is_conflict, endpoint=get_endpoint(name)
    )


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
            context: dict[str, Any] = {"endpoint": get_endpoint(name), "conflict": True}
            return render_form(request, "endpoints/delete.html", form, **context, status=409)
        else:
            messages.success(request, f"Deleted {endpoint.name}.")
            return redirect("endpoints:list")
    return render_form(request, "endpoints/delete.html", form, endpoint=endpoint)


def _without_saving(request: HttpRequest, template: str, endpoint: Endpoint) -> HttpResponse | None:
    """Respond to buttons that only change the form: create a key, add a route, move one."""
    draft = EndpointDraft.of_post(request.POST)
    if "create_key" in request.POST:
        back = draft.url(request.path, key_for=request.POST["create_key"])
        return redirect(with_query(reverse("apikeys:new"), next=back))
    result = rearranged(draft.rows, request.POST)
    if result is None:
        return None
    typed = replace(draft, rows=result.rows).initial()
    form = EndpointForm(endpoint=endpoint, initial=typed, focus=result.focus)
    return render_form(request, template, form, endpoint=endpoint, status_message=result.message)


def get_endpoint(name: str) -> Endpoint:
    """Return the endpoint with its routes, or raise ``Http404``."""
    if "\0" in name:  # PostgreSQL refuses even to look for it
        raise Http404
    return get_object_or_404(Endpoint.objects.with_routes(), name=name)
