"""Change or export the API keys that were selected in the list."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from apikeys import services
from apikeys.forms import BulkDeleteForm, BulkDetailsForm, BulkDisableForm, BulkForm
from apikeys.models import ApiKey
from apikeys.models.api_key_queries import ApiKeyQuerySet
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.decorators import may, require_form_methods, require_page_methods
from gatewayproject.console.views import posted, render_form
from gatewayproject.console.wording import counted

from .list_position import ListPosition

MOST_CHECKED = 1000  # keys that a URL may name

Form = TypeVar("Form", bound=BulkForm)


@require_form_methods
@may("apikeys.change_apikey")
def api_keys_disable(request: HttpRequest) -> HttpResponse:
    def disable(revs: dict[UUID, int], form: BulkDisableForm) -> int:
        seen = form.cleaned_data["seen"]
        return len(services.disable_api_keys(revs, by=Actor.of(request), seen=seen))

    return _run(request, disable, BulkDisableForm, "apikeys/bulk_disable.html", "Disabled")


@require_form_methods
@may("apikeys.change_apikey")
def api_keys_enable(request: HttpRequest) -> HttpResponse:
    def enable(revs: dict[UUID, int], form: BulkForm) -> int:
        return len(services.enable_api_keys(revs, by=Actor.of(request)))

    return _run(request, enable, BulkForm, "apikeys/bulk_enable.html", "Enabled")


@require_form_methods
@may("apikeys.change_apikey")
def api_keys_edit(request: HttpRequest) -> HttpResponse:
    def edit(revs: dict[UUID, int], form: BulkDetailsForm) -> int:
        values = form.values_to_set()
        return len(services.update_api_keys(revs, by=Actor.of(request), values=values))

    return _run(request, edit, BulkDetailsForm, "apikeys/bulk_edit.html", "Saved")


@require_form_methods
@may("apikeys.delete_apikey")
def api_keys_delete(request: HttpRequest) -> HttpResponse:
    def delete(revs: dict[UUID, int], form: BulkDeleteForm) -> int:
        deleted = services.delete_api_keys(
            revs,
            by=Actor.of(request),
            seen=form.cleaned_data["seen"],
            confirmation=form.cleaned_data.get("confirmation", ""),
        )
        return len(deleted)

    return _run(request, delete, BulkDeleteForm, "apikeys/bulk_delete.html", "Deleted")


def _run(
    request: HttpRequest,
    action: Callable[[dict[UUID, int], Form], int],
    form_class: type[Form],
    template: str,
    done: str,
) -> HttpResponse:
    """Show what ``action`` does to the selected keys, or run it if it was posted: all or none.

    ``action`` returns the number of keys that it changed.
    """
    position = ListPosition.of(request)
    context: dict[str, Any] = {"position": position}
    revs = BulkForm.revs_in(request.POST)
    if request.method == "POST":
        keys = _keys_of(revs)
    else:  # one more than allowed, to notice that
        chosen = _chosen(request, position).with_details().defer("current__sealed")
        keys = list(chosen.sorted_by("name")[: services.MOST_KEYS + 1])
    if not keys or len(keys) > services.MOST_KEYS:
        context |= {"most": services.MOST_KEYS, "is_impossible": True, "is_empty": not keys}
        return render(request, template, context, status=422)
    form = form_class(posted(request), keys=keys)
    if request.method == "POST" and form.is_valid():
        try:
            changed = action(revs, form)
        except ValidationError as error:
            form.show(error)
        except Conflict:
            keys = _keys_of(revs)
            form = form_class(keys=keys, typed=form.cleaned_data)
            context |= {
                "changed": [key for key in keys if key.rev != revs[key.pk]],
                "gone": len(revs) - len(keys),
                "conflict": True,
                "status": 409,
            }
        else:
            message = f"{done} {counted(changed, 'API key')}."
            if same := len(revs) - changed:
                message += f" {same:,} {'was' if same == 1 else 'were'} unchanged."
            messages.success(request, message)
            return redirect(position.url)
    context |= {"keys": keys, "radius": form.radius}
    return render_form(request, template, form, **context)


@require_page_methods
def api_keys_export(request: HttpRequest) -> HttpResponseBase:
    """Send the selected keys, or those that match the list's filters, as CSV."""
    position = ListPosition(request.GET.get("list", request.GET.urlencode()))
    is_selection = not request.GET.keys().isdisjoint({"key", "all", "list"})
    keys = _chosen(request, position) if is_selection else position.form.keys()
    return StreamingHttpResponse(
        services.csv_of(keys) if request.method == "GET" else (),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": "attachment; "
            f'filename="api-keys-{timezone.localdate():%Y-%m-%d}.csv"'
        },
    )


def _chosen(request: HttpRequest, position: ListPosition) -> ApiKeyQuerySet:
    """Return the keys that were checked, or all of the list that they were checked in."""
    if "all" in request.GET:
        return position.form.keys()
    checked = set()
    for text in request.GET.getlist("key")[:MOST_CHECKED]:
        with suppress(ValueError):
            checked.add(UUID(text))
    return ApiKey.objects.filter(pk__in=checked)


def _keys_of(revs: dict[UUID, int]) -> list[ApiKey]:
    keys = ApiKey.objects.with_details().defer("current__sealed")
    return list(keys.filter(pk__in=revs).sorted_by("name"))
