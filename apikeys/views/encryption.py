"""What encrypts the credentials, for operators: fingerprints of master keys, never a key."""

from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.models import ServerProcess
from apikeys.services.master_key_rotation import (
    MasterKeyState,
    current_state,
    next_step,
    unreadable_others,
    unreadable_versions,
)
from gatewayproject.console.decorators import require_page_methods

MAX_CHECKED = 2_000  # rows; more are decrypted only on request
MAX_LISTED = 50


class Badge(NamedTuple):
    tone: str  # danger, ok or neither
    label: str


@require_page_methods
def encryption(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        raise PermissionDenied
    state = current_state()
    each = state.total <= MAX_CHECKED or "check" in request.GET
    processes = state.processes
    return render(
        request,
        "apikeys/encryption.html",
        {
            "state": state,
            "keys": [(name, rows, _role(state, name)) for name, rows in state.by_key().items()],
            "processes": [(process, _readiness(state, process)) for process in processes],
            "next_step": next_step(state),
            "unreadable": unreadable_versions(look_at_each=each, limit=MAX_LISTED),
            "others": unreadable_others(),
            "looked_at_each": each,
        },
    )


def _role(state: MasterKeyState, name: str) -> Badge:
    if name == state.primary:
        is_reversed = state.is_reversed
        return Badge("danger", "Encrypts, wrong order") if is_reversed else Badge("ok", "Encrypts")
    if name not in state.keys:
        return Badge("danger", "Missing")
    return Badge("", "Decrypts, being retired" if name in state.retired else "Decrypts")


def _readiness(state: MasterKeyState, process: ServerProcess) -> Badge:
    if not process.opens(state.primary):
        return Badge("danger", "Missing the current key")
    if not process.seals_under(state.primary):
        return Badge("danger", "Different order")
    if missing := [name for name in state.needed if not process.opens(name)]:
        return Badge("danger", f"Missing {', '.join(missing)}")
    return Badge("ok", "Ready")
