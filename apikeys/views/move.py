"""Move the endpoints of an API key to another key."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.forms import MoveForm
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.decorators import may, require_form_methods
from gatewayproject.console.views import posted, render_form
from gatewayproject.console.wording import counted

from .list_position import ListPosition


@require_form_methods
@may("apikeys.change_apikey")
def api_key_move(request: HttpRequest, pk: UUID) -> HttpResponse:
    api_key = get_object_or_404(ApiKey.objects.with_details(), pk=pk)
    radius = blast_radius_of(api_key)
    typed = request.POST.get("target") or request.GET.get("target", "")
    form = MoveForm(posted(request), api_key=api_key, radius=radius, typed=typed)
    position = ListPosition.of(request)
    context: dict[str, Any] = {"api_key": api_key, "radius": radius, "position": position}
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            count = services.move_endpoints(
                api_key,
                data["target"],
                names=data["names"],
                by=Actor.of(request),
                seen=data["seen"],
            )
        except ValidationError as error:
            form.show(error)
        except Conflict:
            context["radius"] = radius = blast_radius_of(api_key)
            form = MoveForm(api_key=api_key, radius=radius, typed=typed)
            context |= {"conflict": True, "status": 409}
        else:
            moved = counted(count, "endpoint")
            messages.success(request, f"Moved {moved} to {data['target']}.")
            return redirect(api_key.get_absolute_url() + position.parameter)
    return render_form(request, "apikeys/move.html", form, **context)
