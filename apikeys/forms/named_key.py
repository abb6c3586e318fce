"""An input for an API key."""

from typing import Any

from django.core.exceptions import ValidationError

from apikeys.models import ApiKey
from apikeys.models.api_key_queries import ApiKeyQuerySet
from gatewayproject.console.widgets import ComboboxField

SUGGESTIONS = 50


class NamedKeyField(ComboboxField):
    """An API key of ``queryset``, chosen by its name. Suggests names for the text typed so far."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=True, max_length=80, **kwargs)
        self.widget.attrs["data-remote"] = ""  # suggestions are requested while the user types
        self.queryset: ApiKeyQuerySet = ApiKey.objects.none()

    def choose_from(self, queryset: ApiKeyQuerySet, typed: str) -> bool:
        """Accept the keys of ``queryset``. Return whether there is one to suggest."""
        self.queryset = queryset
        typed = typed[: self.max_length].replace("\0", "")
        matching = queryset.search(typed) if typed else queryset
        options = [
            {"value": key.name, "detail": f"{key.provider} · {key.get_environment_display()}"}
            for key in matching.select_related("scheme__provider").sorted_by("name")[:SUGGESTIONS]
        ]
        self.offer(options)
        return bool(options)

    def clean(self, value: Any) -> ApiKey | None:
        name = super().clean(value)
        if not name:
            return None
        found = self.queryset.named(name).select_related("scheme__provider").first()
        if found is None:
            raise ValidationError(
                f"No matching API key is called “{name}”. Choose one from the list."
            )
        return found
