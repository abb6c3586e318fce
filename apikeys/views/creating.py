"""Create an API key."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apikeys import services
from apikeys.actors import Actor
from apikeys.forms import ApiKeyForm, ChooseForm
from apikeys.models import ApiKey
from apikeys.pages import may, posted, render_form, require_form_methods, with_query

from .testing import Tested, test_typed, was_asked_to_test

TYPED = ("name", "environment", "team", "description", "expires_at", "rotate_every_days")
KEPT = (*TYPED, "provider", "scheme", "next")


@require_form_methods
@may("apikeys.add_apikey")
def api_key_new(request: HttpRequest) -> HttpResponse:
    """Choosing provider and method is a GET. Credentials are posted and never come back."""
    if "choose" in request.POST:
        kept = {name: request.POST.get(name, "")[:1000] for name in KEPT}
        return redirect(with_query(reverse("apikeys:new"), **kept))
    asked = request.POST or request.GET
    choice = ChooseForm(asked)
    scheme = choice.scheme_row
    form = ApiKeyForm(posted(request), api_key=ApiKey(scheme=scheme), initial=_initial(request))
    if was_asked_to_test(request):
        return _test(request, form, choice)
    if not choice.is_valid():
        return _page(request, form, choice, status=422)
    if request.method == "POST" and _has_provider(choice) and form.is_valid():
        try:
            api_key = services.create_api_key(form.api_key, by=Actor.of(request))
        except ValidationError as error:
            form.show(error)
        else:
            messages.success(request, f"Created {api_key.name}.")
            for note in api_key.notes:
                messages.info(request, note)
            return redirect(_next_page(request, api_key))
    return _page(request, form, choice, status=422 if request.method == "POST" else 200)


def _test(request: HttpRequest, form: ApiKeyForm, choice: ChooseForm) -> HttpResponse:
    is_chosen = choice.is_valid() and _has_provider(choice)
    tested = test_typed(request, form) if is_chosen else Tested.not_ready(choice)
    return _page(request, form, choice, tested=tested, status=tested.status)


def _page(
    request: HttpRequest,
    form: ApiKeyForm,
    choice: ChooseForm,
    *,
    tested: Tested | None = None,
    status: int,
) -> HttpResponse:
    scheme = choice.scheme_row
    shown = ChooseForm(
        {
            "provider": choice.chosen.name if choice.chosen else choice.data.get("provider", ""),
            "scheme": scheme.slug
            if scheme and "scheme" not in choice.errors
            else choice.data.get("scheme", ""),
        }
    )
    shown._errors = choice.errors
    return render_form(
        request,
        "apikeys/new.html",
        form,
        choice=shown,
        scheme=scheme,
        tested=tested,
        next=request.POST.get("next") or request.GET.get("next", ""),
        status=status,
    )


def _has_provider(choice: ChooseForm) -> bool:
    if choice.chosen is None:
        choice.add_error("provider", "Choose a provider.")
    return choice.chosen is not None


def _initial(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in TYPED if name in request.GET}


def _next_page(request: HttpRequest, api_key: ApiKey) -> str:
    """Where to go on: back to the form that sent the person here, or the list."""
    target = request.POST.get("next", "")
    if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return with_query(target, api_key=api_key.name)
    return reverse("apikeys:list")
