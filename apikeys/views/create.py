"""Create an API key."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe

from apikeys import services
from apikeys.forms import ApiKeyForm, ChooseForm
from apikeys.models import ApiKey, AuthScheme
from apikeys.models.details import DETAILS
from apikeys.services.recognition import pasted_values, recognize
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.decorators import may, require_form_methods
from gatewayproject.console.naming import MAX_NAME
from gatewayproject.console.views import render_form, with_query

from .list_position import ListPosition
from .test_credentials import Tested, test_typed, was_asked_to_test

MORE_OPTIONS = tuple(name for name in DETAILS if name not in ("name", "environment"))
COPY = " copy"
KEPT = (*DETAILS, "provider", "scheme", "next")  # while the user chooses; never a credential


@require_form_methods
@may("apikeys.add_apikey")
def api_key_new(request: HttpRequest) -> HttpResponse:
    """Choosing provider and method is a GET. Credentials are posted and never returned."""
    if "choose" in request.POST:
        kept = {name: request.POST.get(name, "")[:1000] for name in KEPT}
        return redirect(with_query(reverse("apikeys:new"), **kept))
    source = _source(request)
    data = _copy_of(source) if source else _asked(request)
    choice = ChooseForm(data)
    scheme = choice.scheme_row
    values = pasted_values(data.get("paste", ""), scheme) if scheme else {}
    shown = request.POST.get("fields_for")  # the method whose fields the posted form had
    has_other_fields = scheme is not None and shown not in (
        None,
        f"{scheme.provider.slug}/{scheme.slug}",
    )
    for spec in scheme.specs if scheme else ():
        if has_other_fields and not spec.secret:
            data[spec.name] = spec.default
        if spec.name in values and spec.may_be_filled(data.get(spec.name, "")):
            data[spec.name] = values[spec.name]
    is_shown_first = {"read", "switch"} & request.POST.keys() or (has_other_fields and not values)
    is_sent = request.method == "POST" and not is_shown_first
    initial = {name: data[name] for name in DETAILS if name in data}
    if scheme and not data.keys().isdisjoint({"paste", "copy"}):  # not from a URL alone
        settings = [spec.name for spec in scheme.config_specs]
        initial |= {name: data[name] for name in settings if name in data}
    form = ApiKeyForm(data if is_sent else None, api_key=ApiKey(scheme=scheme), initial=initial)
    form.take_from_paste(values)
    if is_shown_first and choice.is_valid():
        tested = Tested.not_ready() if was_asked_to_test(request) else None
        status = 200 if "read" in request.POST else 422
        lead = _lead(request, scheme)
        return _page(request, form, choice, tested=tested, lead=lead, status=status)
    if was_asked_to_test(request):
        is_chosen = choice.is_valid() and _has_provider(choice)
        tested = test_typed(request, form) if is_chosen else Tested.not_ready(choice)
        return _page(request, form, choice, tested=tested, status=tested.status)
    if not choice.is_valid():
        return _page(request, form, choice, status=422)
    if is_sent and _has_provider(choice) and form.is_valid() and form.draft:
        try:
            api_key, _, notes = services.create_api_key(form.draft, by=Actor.of(request))
        except ValidationError as error:
            form.show(error)
        else:
            messages.success(request, f"Created {api_key.name}.")
            for note in notes:
                messages.info(request, note)
            target = _next_page(request, api_key)
            if target == reverse("apikeys:list"):
                steps = render_to_string("apikeys/next_steps.html", {"api_key": api_key}, request)
                messages.info(request, mark_safe(steps), extra_tags="next-steps")  # noqa: S308
            return redirect(target)
    lead = f"Copied from {source}. Enter the credentials of the new key." if source else ""
    status = 422 if request.method == "POST" else 200
    return _page(request, form, choice, lead=lead, status=status)


def _asked(request: HttpRequest) -> QueryDict:
    """Return the parameters, with the provider of the Switch button or of a pasted text."""
    asked = (request.POST or request.GET).copy()
    if request.method != "POST":
        asked.pop("paste", None)
    if switched := asked.get("switch"):
        asked["provider"], asked["scheme"] = switched, ""
    elif not asked.get("provider", "").strip() and (found := recognize(asked.get("paste", ""))):
        asked["provider"], asked["scheme"] = found.provider.name, found.slug
    return asked


def _source(request: HttpRequest) -> ApiKey | None:
    """Return the key to copy, if any."""
    if request.method == "POST" or "copy" not in request.GET:
        return None
    try:
        pk = UUID(request.GET["copy"])
    except ValueError:
        raise Http404 from None
    return get_object_or_404(ApiKey.objects.with_details(), pk=pk)


def _copy_of(source: ApiKey) -> QueryDict:
    """Return all of ``source`` except its credentials and their expiry date."""
    name = f"{source.name[: MAX_NAME - len(COPY)]}{COPY}"
    values = {
        **source.settings,
        **{field: getattr(source, field) for field in DETAILS if field != "expires_at"},
        "name": "" if ApiKey.objects.named(name).exists() else name,
        "provider": source.provider.name,
        "scheme": source.scheme.slug,
        "copy": str(source.pk),
    }
    data = QueryDict(mutable=True)
    data.update({field: str(value) for field, value in values.items() if value is not None})
    return data


def _lead(request: HttpRequest, scheme: AuthScheme | None) -> str:
    """Return the message above fields that are shown for the first time."""
    if "read" not in request.POST:
        return f"These are the fields of {scheme}. Fill them in, then create the key."
    if not request.POST.get("paste", "").strip():
        return ""
    if scheme is None:
        return "The pasted text does not show the provider. Choose it here."
    return f"The pasted text is used for {scheme}."


def _page(
    request: HttpRequest,
    form: ApiKeyForm,
    choice: ChooseForm,
    *,
    tested: Tested | None = None,
    lead: str = "",
    status: int,
) -> HttpResponse:
    return render_form(
        request,
        "apikeys/new.html",
        form,
        choice=choice,
        kept=",".join(KEPT),
        scheme=choice.scheme_row,
        tested=tested,
        lead=lead,
        looks_like=form.draft and form.draft.looks_like,
        shows_more=bool(form["environment"].errors)
        or any(form[name].errors or form[name].value() for name in MORE_OPTIONS),
        next=request.POST.get("next") or request.GET.get("next", ""),
        status=status,
    )


def _has_provider(choice: ChooseForm) -> bool:
    if choice.chosen is None:
        choice.add_error("provider", "Choose a provider.")
    return choice.chosen is not None


def _next_page(request: HttpRequest, api_key: ApiKey) -> str:
    """Return the URL to continue at: the form that led here, or the list."""
    target = request.POST.get("next", "")
    if target.startswith(reverse("apikeys:list") + "?"):
        return ListPosition(target.partition("?")[2]).url
    if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return with_query(target, created_key=str(api_key.pk))
    return reverse("apikeys:list")
