"""Auth schemes: the ways of proving who you are to a provider."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import cached_property

from django.core.exceptions import ValidationError
from django.db import models

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.origins import origin_of
from apikeys.catalogue.transport import base_url_of, check_transport, fill

from .naming import validate_one_line
from .provider import Provider

# Form inputs beside a scheme's own fields; a field of the same name would hide one of them.
RESERVED_FIELDS = frozenset(
    "name provider scheme environment team description config rev seen next choose test "
    "compromised expires_at rotate_every_days csrfmiddlewaretoken".split()
)
REMOVE = "remove_"  # and the name of a secret: the box that drops what is stored of it

MISSING = "Enter {label}: it is required."
MISSING_AFTER_A_MOVE = "Enter {label} again: with this change it would be sent somewhere else."


class AuthScheme(models.Model):
    """One way of proving who you are to a provider."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="schemes")
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=80, validators=[validate_one_line])
    position = models.PositiveIntegerField(default=0)
    ambient = models.BooleanField(
        "uses this server's own identity", default=False, help_text="Nothing is typed or stored."
    )
    fields = models.JSONField(
        default=list, help_text="What it asks for: a list of field declarations."
    )
    transport = models.JSONField(
        default=dict, help_text='How it travels: "base_url", "headers", "signer", "token".'
    )
    verify = models.JSONField(
        default=dict, blank=True, help_text="A call that proves it, free of charge."
    )
    built_in = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "slug"], name="apikeys_scheme_unique_slug")
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"

    def clean(self) -> None:
        """Check the declaration as a whole, so that no form and no request can stumble over it."""
        if not isinstance(self.fields, list) or not self.fields:
            raise ValidationError({"fields": "Declare at least one field, as a list."})
        names: list[str] = []
        for declaration in self.fields:
            if not isinstance(declaration, dict):
                raise ValidationError(
                    {"fields": "Each field is an object with a name and a label."}
                )
            try:
                names.append(FieldSpec.parse(declaration).name)
            except ValidationError as error:
                raise ValidationError({"fields": error.messages}) from None
            except (TypeError, ValueError):
                raise ValidationError(
                    {"fields": "A setting of a field has the wrong type."}
                ) from None
        if len(set(names)) != len(names) or RESERVED_FIELDS & set(names):
            raise ValidationError(
                {"fields": f"Each name once, and none of {', '.join(sorted(RESERVED_FIELDS))}."}
            )
        if any(name.startswith(REMOVE) for name in names):
            raise ValidationError(
                {"fields": f"No name begins with {REMOVE}: forms use that themselves."}
            )
        check_transport(self.transport, self.verify, self.specs)

    @cached_property
    def specs(self) -> list[FieldSpec]:
        """The declared fields, in order."""
        return [FieldSpec.parse(declaration) for declaration in self.fields]

    @property
    def secret_specs(self) -> list[FieldSpec]:
        return [spec for spec in self.specs if spec.secret]

    @property
    def config_specs(self) -> list[FieldSpec]:
        return [spec for spec in self.specs if not spec.secret]

    def clean_config(self, config: Mapping[str, str], notes: list[str]) -> dict[str, str]:
        """Return ``config`` as it is kept, defaults filled in. Errors name the fields."""
        return _clean(self.config_specs, config, notes, optional=frozenset())

    def clean_secrets(
        self,
        secrets: Mapping[str, str],
        notes: list[str],
        *,
        stored: Collection[str] = (),
        missing: str = MISSING,
    ) -> dict[str, str]:
        """Return the secrets that were typed; those in ``stored`` may be left out."""
        return _clean(self.secret_specs, secrets, notes, optional=stored, missing=missing)

    def base_url_for(self, config: Mapping[str, str]) -> str:
        """Return where requests go."""
        return base_url_of(self.transport, config)

    def lifetime_of(self, secrets: Mapping[str, str]) -> timedelta | None:
        """Return how long ``secrets`` work at most, where it shows that they are short-lived."""
        known = [spec.lifetime_hours for spec in self.secret_specs if secrets.get(spec.name)]
        expiry = self.transport.get("expiry")
        if expiry and any(secret.startswith(expiry["prefix"]) for secret in secrets.values()):
            known.append(expiry["hours"])
        hours = min(filter(None, known), default=None)
        return timedelta(hours=hours) if hours else None

    def origins_for(self, config: Mapping[str, str]) -> set[str]:
        """Return every origin that the credentials travel to: API, token service and check.

        Raises ``ValidationError`` where the base URL is none.
        """
        base_url = self.base_url_for(config)
        urls = [base_url]
        for call in (self.transport.get("token", {}), self.verify):
            if "url" in call:
                urls.append(fill(call["url"], {**config, "base_url": base_url}))
        try:
            return {origin_of(url) for url in urls}
        except ValueError:
            raise ValidationError(
                "The address that this key would be sent to is not a URL."
            ) from None


def _clean(
    specs: list[FieldSpec],
    values: Mapping[str, str],
    notes: list[str],
    *,
    optional: Collection[str],
    missing: str = MISSING,
) -> dict[str, str]:
    errors: dict[str, str | list[str]] = {}
    cleaned: dict[str, str] = {}
    if not isinstance(values, Mapping):
        raise ValidationError("Enter fields and their values.")
    known = {spec.name for spec in specs}
    for name in values.keys() - known:
        errors[name] = "This authentication method has no such field."
    for spec in specs:
        try:
            value = spec.clean(values.get(spec.name, ""), notes)
            value = value or spec.clean(spec.default, [])
        except ValidationError as error:
            errors[spec.name] = error.messages
            continue
        if value:
            cleaned[spec.name] = value
        elif spec.required and spec.name not in optional:
            errors[spec.name] = missing.format(label=spec.label)
    if errors:
        raise ValidationError(errors)
    return cleaned
