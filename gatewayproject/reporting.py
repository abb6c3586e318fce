"""Error reports without values: neither what was posted nor what a function held."""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

HIDDEN = SafeExceptionReporterFilter.cleansed_substitute


class NothingSecretFilter(SafeExceptionReporterFilter):
    """Hide every posted value and every local variable, with DEBUG on as well as off.

    Django's own filter hides only what was marked, and nothing at all with DEBUG on. Here any view
    may handle a credential, so everything is marked.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, str]:
        return dict.fromkeys(request.POST, HIDDEN) if request is not None else {}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: Any
    ) -> list[tuple[str, str]]:
        return [(name, HIDDEN) for name in tb_frame.f_locals]
