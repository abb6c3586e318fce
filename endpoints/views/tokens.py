"""The pages of gateway tokens."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from apikeys.actors import Actor
from apikeys.models import Event
from apikeys.pages import (
    may,
    page_of,
    posted,
    render_form,
    require_form_methods,
    require_page_methods,
)
from apikeys.services import Conflict
from endpoints import services
from endpoints.forms.tokens import ConfirmForm, TokenForm, TokenListForm
from endpoints.models import Endpoint, GatewayToken

HISTORY = 50


@require_page_methods
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
        "events": Event.objects.about(token)[:HISTORY],
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
    """Answer with the token itself: no redirect, message, session or cookie ever carries it."""
    callable_ones = Endpoint.objects.all() if token.all_endpoints else token.endpoints.all()
    context = {
        "token": token,
        "plaintext": plaintext,
        "url": request.build_absolute_uri("/gateway/v1/chat/completions"),
        "model": callable_ones.order_by("-enabled", "name").values_list("name", flat=True).first(),
    }
    return render(request, "tokens/created.html", context, status=201)


@require_form_methods
@may("endpoints.change_gatewaytoken")
def token_edit(request: HttpRequest, pk: int) -> HttpResponse:
    token = _get(pk)
    if token.state() == GatewayToken.State.REVOKED:
        return _in_the_way(request, "tokens/edit.html", token)
    form = TokenForm(posted(request), token=token, typed=request.GET.get("endpoints", ""))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            changed = services.update_token(
                token, data["endpoints"] or (), by=Actor.of(request), seen=data["seen"]
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:
            return _edit_again(request, pk)
        else:
            saved = f"Saved {token.name}." if changed else f"Nothing was changed in {token.name}."
            messages.success(request, saved)
            return redirect(token)
    return render_form(request, "tokens/edit.html", form, token=_get(pk))


def _edit_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody else saved first: what was typed stays, on top of what is stored now."""
    token = _get(pk)
    if token.state() == GatewayToken.State.REVOKED:
        return _in_the_way(request, "tokens/edit.html", token)
    data = request.POST.copy()
    data["seen"] = services.digest_of_details(token)
    form = TokenForm(data, token=token)
    context = {"token": _get(pk), "conflict": Event.objects.about(token).first()}
    return render_form(request, "tokens/edit.html", form, **context, status=409)


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
            messages.info(request, f"{token.name} was revoked already.")
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
    """Say why this cannot be done to ``token`` as it stands."""
    status = 409 if request.method == "POST" else 200
    return render(request, template, {"token": token, "in_the_way": True}, status=status)


def _get(pk: int) -> GatewayToken:
    return get_object_or_404(GatewayToken.objects.of_applications(), pk=pk)
