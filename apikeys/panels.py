"""API keys on the pages of other apps."""

from typing import Any

from django.http import HttpRequest

from gatewayproject.console import panels

from .models import ApiKey

MAX_NAMED = 20


def register_panels() -> None:
    panels.register("activity", "apikeys/entered_panel.html", entered_context)


def entered_context(request: HttpRequest, subject: dict[str, Any]) -> dict[str, Any]:
    """Return the keys whose current credentials the user entered."""
    person = subject["person"]
    keys = ApiKey.objects.entered_by(person) if person else ApiKey.objects.none()
    return {"person": person, "entered": keys[: MAX_NAMED + 1], "max_named": MAX_NAMED}
