"""Choosing a provider and a way of authenticating: all in the URL, nothing secret."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apikeys.models import AuthScheme, Provider

from .widgets import ComboboxField


class ChooseForm(forms.Form):
    """``chosen`` is the provider that was named, ``schemes`` what there is to choose from then."""

    provider = ComboboxField(
        required=False, max_length=80, help_text="Type to search, or open the list."
    )
    scheme = forms.ChoiceField(label="Authentication method", required=False)

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.providers = list(Provider.objects.all())
        self.chosen: Provider | None = None
        self.schemes: list[AuthScheme] = []
        self.fields["provider"].offer(
            {
                "value": provider.name,
                "group": provider.get_group_display(),
                "also": " ".join([provider.slug, *provider.aliases]),
            }
            for provider in self.providers
        )
        self._find((data or {}).get("provider", ""))

    def _find(self, text: str) -> None:
        self.chosen = self._provider_called(text.strip().casefold())
        if self.chosen is None:
            wanted = self.data.get("scheme", "")
            self.fields["scheme"].choices = [(wanted, wanted)]  # it can only be told later
        else:
            self.schemes = list(self.chosen.schemes.all())
            choices = [(scheme.slug, scheme.name) for scheme in self.schemes]
            self.fields["scheme"].choices = choices
            self.fields["scheme"].error_messages["invalid_choice"] = (
                f"{self.chosen} has no such authentication method. Choose one of the list."
            )

    def _provider_called(self, text: str) -> Provider | None:
        """Return the provider of that name, slug or alias, or the only one that contains it."""
        if not text:
            return None
        partial = []
        for provider in self.providers:
            names = [name.casefold() for name in (provider.name, provider.slug, *provider.aliases)]
            if text in names:
                return provider
            if any(text in name for name in names):
                partial.append(provider)
        return partial[0] if len(partial) == 1 else None

    def clean_provider(self) -> Provider | None:
        text = self.cleaned_data["provider"]
        if text and self.chosen is None:
            raise ValidationError(f"No provider is called “{text}”. Choose one of the list.")
        return self.chosen

    @property
    def scheme_row(self) -> AuthScheme | None:
        """The chosen scheme, or the provider's first."""
        wanted = self.data.get("scheme", "") if self.is_bound else ""
        named = [scheme for scheme in self.schemes if scheme.slug == wanted]
        return (named or self.schemes or [None])[0]

    @property
    def offers_choice(self) -> bool:
        return len(self.schemes) > 1
