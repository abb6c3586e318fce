"""The pages of gateway tokens."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from endpoints import services
from endpoints.forms.tokens import ConfirmForm, TokenForm, TokenListForm
from endpoints.models import Endpoint, GatewayToken
from endpoints.services.routes import dialects_of, embeds
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
from gatewayproject.console.views import add_saved_messages, posted, render_form

HISTORY = 50


@require_page_methods
@without_empty_parameters
def token_list(request: HttpRequest) -> HttpResponse:
    form = TokenListForm(request.GET)
    page = page_of(form.tokens(), GatewayToken.objects.all(), request.GET.get("page"))
    context = {"form": form, "page": page, "rows": services.facts_about(page)}
    return render(request, "tokens/list.html", context)


@require_page_methods
def token_detail(request: HttpRequest, pk: int) -> HttpResponse:
    token = _get(pk)
    context = {
        "token": token,
        "facts": services.facts_of(token),
        "events": AuditEvent.objects.about(token)[:HISTORY],
    }
    return render(request, "tokens/detail.html", context)


@require_page_methods
def token_endpoints(request: HttpRequest, pk: int) -> HttpResponse:
    """The names behind the count in the list."""
    token = _get(pk)
    context = {"token": token, "facts": services.facts_of(token)}
    return render(request, "tokens/endpoints.html", context)


@require_form_methods
@may("endpoints.add_gatewaytoken")
def token_new(request: HttpRequest) -> HttpResponse:
    token = GatewayToken()
    form = TokenForm(posted(request), token=token, typed=request.GET.get("endpoints", ""))
    if request.method == "POST" and form.is_valid():
        try:
            plaintext = services.create_token(
                token, form.cleaned_data["endpoints"] or (), by=Actor.of(request)
            )
        except ValidationError as error:
            form.show(error)
        else:
            return _show_once(request, token, plaintext)
    return render_form(request, "tokens/new.html", form)


def _show_once(request: HttpRequest, token: GatewayToken, plaintext: str) -> HttpResponse:
    """Respond with the token itself: no redirect, message, session or cookie contains it."""
    callable_ones = Endpoint.objects.all() if token.all_endpoints else token.endpoints.all()
    endpoint = callable_ones.order_by("-enabled", "name").first()
    routes = list(endpoint.routes.select_related("api_key__scheme")) if endpoint else []
    keys = [route.api_key for route in routes if route.api_key]
    is_embedding = embeds(routes)
    operation = "embeddings" if is_embedding else "chat/completions"
    context = {
        "token": token,
        "plaintext": plaintext,
        "url": request.build_absolute_uri(f"/gateway/v1/{operation}"),
        "endpoint": endpoint,
        "is_embedding": is_embedding,
        "has_example": not keys or "openai" in dialects_of(keys),
    }
    return render(request, "tokens/created.html", context, status=201)


@require_form_methods
@may("endpoints.change_gatewaytoken")
def token_edit(request: HttpRequest, pk: int) -> HttpResponse:
    token = _get(pk)
    if token.state() == GatewayToken.State.REVOKED:
        return _in_the_way(request, "tokens/edit.html", token)
    form = TokenForm(posted(request), token=token, typed=request.GET.get("endpoints", ""))
    is_late = False
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            changed = services.update_token(
                token, data["endpoints"] or (), by=Actor.of(request), seen=data["seen"]
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:  # another user saved since this request began
            token, is_late = _get(pk), True
            if token.state() == GatewayToken.State.REVOKED:
                return _in_the_way(request, "tokens/edit.html", token)
            form = TokenForm(form.data, token=token)
        else:
            add_saved_messages(request, token, changed, form.review)
            return redirect(token)
    is_conflict = is_late or form.review.is_needed
    return render_form(request, "tokens/edit.html", form, is_conflict=is_conflict, token=_get(pk))


@require_form_methods
@may("endpoints.change_gatewaytoken")
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    token = _get(pk)
    form = ConfirmForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            is_news = services.revoke_token(token, by=Actor.of(request))
        except Conflict:
            raise Http404 from None
        if is_news:
            messages.success(request, f"Revoked {token.name}.")
        else:
            messages.info(request, f"{token.name} was already revoked.")
        return redirect(token)
    return render_form(request, "tokens/revoke.html", form, token=token)


@require_form_methods
@may("endpoints.delete_gatewaytoken")
def token_delete(request: HttpRequest, pk: int) -> HttpResponse:
    token = _get(pk)
    form = ConfirmForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.delete_token(token, by=Actor.of(request))
        except ValidationError:
            return _in_the_way(request, "tokens/delete.html", _get(pk))
        except Conflict:
            raise Http404 from None
        messages.success(request, f"Deleted {token.name}.")
        return redirect("endpoints:tokens")
    return render_form(request, "tokens/delete.html", form, token=token)


def _in_the_way(request: HttpRequest, template: str, token: GatewayToken) -> HttpResponse:
    """Show why this cannot be done to ``token`` now."""
    status = 409 if request.method == "POST" else 200
    return render(request, template, {"token": token, "in_the_way": True}, status=status)


def _get(pk: int) -> GatewayToken:
    return get_object_or_404(GatewayToken.objects.of_applications(), pk=pk)
