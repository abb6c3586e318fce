"""Choose a provider and an authentication method: all in the URL, nothing secret."""

from collections.abc import Mapping

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy

from apikeys.models import AuthScheme, Provider
from gatewayproject.console.widgets import ComboboxField, OptionalField, SecretTextarea


class PasteInput(SecretTextarea):
    """Sends what is pasted to the page, which finds the provider and the fields for it."""

    def __init__(self) -> None:
        super().__init__(
            **{
                "rows": "2",
                "placeholder": "Paste here to find the provider",
                "hx-trigger": "input changed delay:300ms",
                "hx-vals": '{"read": "1"}',
                "hx-target": "#choice",
                "hx-select": "#choice",
                "hx-swap": "outerHTML",
                "hx-disabled-elt": "unset",
            }
        )
        self.attrs["hx-post"] = reverse_lazy("apikeys:new")


class ChooseForm(forms.Form):
    """``chosen`` is the provider that was named, and ``schemes`` are its methods.

    The form shows the chosen provider by its full name, and its first method if none was chosen.
    """

    paste = OptionalField(
        label="Paste a key",
        strip=False,
        widget=PasteInput,
        help_text="A key, .env lines, JSON or a curl command. Gatehouse finds provider and fields.",
    )

    def __init__(self, data: Mapping[str, str]) -> None:
        wanted = data.get("scheme", "")
        self.providers = list(Provider.objects.all())
        self.chosen = self._provider_called(data.get("provider", "").strip().casefold())
        self.schemes = list(self.chosen.schemes.all()) if self.chosen else []
        if self.chosen:
            first = self.schemes[0].slug if self.schemes else ""
            data = {"provider": self.chosen.name, "scheme": wanted or first}
        super().__init__({name: data.get(name, "") for name in ("provider", "scheme")})
        provider_field = ComboboxField(
            required=False, max_length=80, help_text="Type to search, or open the list."
        )
        provider_field.offer(
            {
                "value": provider.name,
                "group": provider.get_group_display(),
                "also": " ".join(provider.names()[1:]),
            }
            for provider in self.providers
        )
        # Without a provider, the method cannot be validated yet.
        choices = [(row.slug, row.name) for row in self.schemes] if self.chosen else [(wanted,) * 2]
        unknown = f"{self.chosen} does not have this authentication method."
        self.fields |= {
            "provider": provider_field,
            "scheme": forms.ChoiceField(
                label="Authentication method",
                required=False,
                choices=choices,
                error_messages={"invalid_choice": f"{unknown} Choose one from the list."},
            ),
        }

    def _provider_called(self, text: str) -> Provider | None:
        """Return the provider of that name, slug or alias, or the only one that contains it."""
        if not text:
            return None
        partial = []
        for provider in self.providers:
            names = [name.casefold() for name in provider.names()]
            if text in names:
                return provider
            if any(text in name for name in names):
                partial.append(provider)
        return partial[0] if len(partial) == 1 else None

    def clean_provider(self) -> Provider | None:
        text = self.cleaned_data["provider"]
        if text and self.chosen is None:
            raise ValidationError(f"No provider is called “{text}”. Choose one from the list.")
        return self.chosen

    @property
    def scheme_row(self) -> AuthScheme | None:
        """The chosen scheme, or the provider's first."""
        named = (scheme for scheme in self.schemes if scheme.slug == self.data["scheme"])
        return next(named, self.schemes[0] if self.schemes else None)

    @property
    def offers_choice(self) -> bool:
        return len(self.schemes) > 1
