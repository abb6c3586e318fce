"""What seals the credentials, for operators: fingerprints of master keys, never a key."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.models import ServerProcess
from apikeys.pages import require_page_methods
from apikeys.services.resealing import (
    Standing,
    current_standing,
    next_step,
    unreadable_others,
    unreadable_versions,
)

CHECKED_UNASKED = 2_000  # rows; more of them are looked at when somebody asks
NAMED = 50

Badge = tuple[str, str]  # its class and its words


@require_page_methods
def encryption(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        raise PermissionDenied
    standing = current_standing()
    each = standing.total <= CHECKED_UNASKED or "check" in request.GET
    return render(
        request,
        "apikeys/encryption.html",
        {
            "standing": standing,
            "keys": [
                (name, rows, _role(standing, name)) for name, rows in standing.by_key().items()
            ],
            "processes": [(process, _part(standing, process)) for process in standing.processes],
            "next_step": next_step(standing),
            "unreadable": unreadable_versions(look_at_each=each, limit=NAMED),
            "others": unreadable_others(),
            "looked_at_each": each,
        },
    )


def _role(standing: Standing, name: str) -> Badge:
    if name == standing.primary:
        return ("danger", "Seals, reversed") if standing.is_reversed else ("ok", "Seals")
    if name not in standing.keys:
        return "danger", "Missing"
    return ("", "Opens, on its way out") if name in standing.retired else ("", "Opens")


def _part(standing: Standing, process: ServerProcess) -> Badge:
    if not process.opens(standing.primary):
        return "danger", "Lacks the first key"
    if not process.seals_under(standing.primary):
        return "danger", "Another order"
    if missing := [name for name in standing.needed if not process.opens(name)]:
        return "danger", f"Lacks {', '.join(missing)}"
    return "ok", "Ready"
