"""Error reports without posted values and local variables."""

from collections.abc import ItemsView
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

HIDDEN = SafeExceptionReporterFilter.cleansed_substitute


class HideAllValuesFilter(SafeExceptionReporterFilter):
    """Hide every posted value and every local variable, even with DEBUG on.

    Django's own filter hides only what is marked as sensitive, and nothing with DEBUG on. Any view
    may handle a credential, so everything counts as sensitive.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, str]:
        return dict.fromkeys(request.POST, HIDDEN) if request is not None else {}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: Any
    ) -> ItemsView[str, Any]:
        return dict.fromkeys(tb_frame.f_locals, HIDDEN).items()
