"""Auth schemes: how to authenticate to a provider."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from django.core.exceptions import ValidationError
from django.db import models

from apikeys.catalogue.fields import FieldSpec, parse_fields
from apikeys.catalogue.origins import has_dot_segments, origin_of
from apikeys.catalogue.transport import PLACEHOLDER, Transport, check_transport, fill, identity_of
from apikeys.catalogue.verification import Verification
from apikeys.sealing import Role
from gatewayproject.console.naming import validate_one_line

from .credential_version import CredentialVersion
from .details import DETAILS
from .provider import Provider
from .shallow_json import ShallowDecoder

# Form inputs beside a scheme's own fields; a field of the same name would hide one of them.
RESERVED_FIELDS = frozenset(
    (
        *DETAILS,
        *"provider scheme config rev base seen next choose test fields_for paste read".split(),
        *"switch anyway compromised csrfmiddlewaretoken".split(),
    )
)
REMOVE = "remove_"  # prefix of the checkbox that drops a stored secret

MISSING = "Enter the {label}."
STAYS_SECRET = (
    "API keys store {} as a secret, so it must stay secret. "
    "Add another authentication method instead."
)
ONE_LINE = "This is sent in a header. Enter it on one line."
MALFORMED = "The authentication method {name} is malformed: {why} Ask an operator to repair it."
MALFORMED_SETTINGS = "The stored settings are malformed. Edit the key and enter them again."
MISSING_AFTER_A_MOVE = "Enter the {label} again, because the URL changed."


class CleanedFields(NamedTuple):
    """The values to keep, by the names of their fields, and notes about them."""

    values: dict[str, str]
    notes: list[str]


class AuthScheme(models.Model):
    """One way to authenticate to a provider."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="schemes")
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=80, validators=[validate_one_line])
    position = models.PositiveIntegerField(default=0)
    ambient = models.BooleanField(
        "uses this server's own identity",
        default=False,
        help_text="No credentials are entered or stored.",
    )
    fields = models.JSONField(
        decoder=ShallowDecoder,
        default=list,
        help_text="The fields to fill in: a list of field declarations.",
    )
    transport = models.JSONField(
        decoder=ShallowDecoder,
        default=dict,
        help_text='How credentials are sent: "base_url", "headers", "signer", "token". '
        'What errors of the provider mean: "errors".',
    )
    verify = models.JSONField(
        decoder=ShallowDecoder,
        default=dict,
        blank=True,
        help_text="A free call that tests the credentials.",
    )
    built_in = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = "authentication method"
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "slug"], name="apikeys_scheme_unique_slug")
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"

    def clean(self) -> None:
        """Validate the declaration as a whole, for forms and for requests."""
        specs = parse_fields(self.fields)
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names) or RESERVED_FIELDS & set(names):
            raise ValidationError(
                {"fields": f"Use each name once, and none of {', '.join(sorted(RESERVED_FIELDS))}."}
            )
        if any(name.startswith(REMOVE) for name in names):
            raise ValidationError(
                {"fields": f"A name must not begin with {REMOVE}, which forms use."}
            )
        check_transport(self.transport, self.verify, specs)
        self._keep_secret(specs)

    def _keep_secret(self, specs: list[FieldSpec]) -> None:
        """Refuse to declare a field as not secret that keys of the scheme store as a secret.

        New values would be stored and shown unencrypted.
        """
        stored = type(self).objects.filter(pk=self.pk, api_keys__isnull=False).first()
        if stored is None:
            return
        versions = CredentialVersion.objects.filter(api_key__scheme=stored)
        secret = {spec.name for spec in stored.secret_specs}
        secret.update(name for version in versions.only("parts") for name in version.part_names)
        if opened := [spec.label for spec in specs if spec.name in secret and not spec.secret]:
            raise ValidationError({"fields": STAYS_SECRET.format(", ".join(opened))})

    @cached_property
    def specs(self) -> list[FieldSpec]:
        """The declared fields, in order; none where the declaration is malformed."""
        try:
            return parse_fields(self.fields)
        except ValidationError:
            return []

    @cached_property
    def route(self) -> Transport | None:
        """How credentials travel; ``None`` where the declaration is malformed."""
        try:
            return Transport.parse(self.transport)
        except ValidationError:
            return None

    def malformed_because(self) -> str:
        """Return what is wrong with the declaration as it is stored, or ``""``."""
        try:
            parse_fields(self.fields)
            Transport.parse(self.transport)
            Verification.parse(self.verify)
        except ValidationError as error:
            return MALFORMED.format(name=self, why=" ".join(error.messages))
        return ""

    @property
    def secret_specs(self) -> list[FieldSpec]:
        return [spec for spec in self.specs if spec.secret]

    @property
    def config_specs(self) -> list[FieldSpec]:
        return [spec for spec in self.specs if not spec.secret]

    def clean_config(self, config: Mapping[str, str]) -> CleanedFields:
        """Return ``config`` as it is kept, defaults filled in. Errors name the fields."""
        return _clean(self.config_specs, config)

    def clean_secrets(
        self,
        secrets: Mapping[str, str],
        *,
        stored: Collection[str] = (),
        missing: str = MISSING,
    ) -> CleanedFields:
        """Return the secrets that were typed; those in ``stored`` may be left out."""
        cleaned = _clean(self.secret_specs, secrets, optional=stored, missing=missing)
        headers = self.route.all_headers() if self.route else ()
        in_headers = {name for _, template in headers for name in PLACEHOLDER.findall(template)}
        if broken := [
            name for name in in_headers & cleaned.values.keys() if "\n" in cleaned.values[name]
        ]:
            raise ValidationError(dict.fromkeys(broken, ONE_LINE))
        return cleaned

    def can_replace(self, other: "AuthScheme") -> bool:
        """Whether keys of this scheme can serve what keys of ``other`` do.

        They offer at least the same APIs, and their models are named alike: by the same provider,
        or as deployments at the same kind of address, whichever provider the scheme belongs to.
        """
        if self.pk == other.pk:
            return True
        if self.route is None or other.route is None:
            return False
        ours, theirs = (
            {dialect.deployment_url for dialect in route.dialects.values()} - {""}
            for route in (self.route, other.route)
        )
        same_models = ours == theirs and (bool(ours) or self.provider_id == other.provider_id)
        return same_models and self.route.dialects.keys() >= other.route.dialects.keys()

    def lifetime_of(self, secrets: Mapping[str, str]) -> timedelta | None:
        """Return how long ``secrets`` work at most, where it shows that they are short-lived."""
        known = [spec.lifetime_hours for spec in self.secret_specs if secrets.get(spec.name)]
        expiry = self.route and self.route.expiry
        if expiry and any(secret.startswith(expiry.prefix) for secret in secrets.values()):
            known.append(expiry.hours)
        hours = min(filter(None, known), default=None)
        return timedelta(hours=hours) if hours else None

    def urls_for(self, config: Any, *roles: Role) -> dict[Role, str]:
        """Return where a key with these settings goes in each of ``roles``, or in all of them.

        Raises ``ValidationError`` where the settings or the declaration are malformed.
        """
        transport = Transport.parse(self.transport)
        try:
            values = msgspec.convert(config, dict[str, str])
        except msgspec.ValidationError:
            raise ValidationError(MALFORMED_SETTINGS) from None
        values = {**values, "base_url": transport.base_url_for(values)}
        urls = {
            Role.API: values["base_url"],
            Role.TOKEN: fill(transport.token.get("url", ""), values),
        }
        if not roles or Role.TEST in roles:
            urls[Role.TEST] = fill(Verification.parse(self.verify).url, values)
        return {role: url for role, url in urls.items() if url and (not roles or role in roles)}

    def origins_for(self, config: Any, *roles: Role) -> dict[Role, str]:
        """Return the origin that the credentials travel to in each role.

        Raises ``ValidationError`` where there is none.
        """
        try:
            origins = {role: origin_of(url) for role, url in self.urls_for(config, *roles).items()}
            if Role.API in origins or (roles and Role.API not in roles):
                return origins
        except ValueError:
            pass
        raise ValidationError("The address for this key is not a URL.")

    def check_urls(self, config: Mapping[str, str]) -> None:
        """Refuse settings that would send a key elsewhere. Raises ``ValidationError``."""
        self.origins_for(config)
        urls = self.urls_for(config)
        transport = Transport.parse(self.transport)
        values = {**config, "base_url": urls[Role.API], "model": "model"}
        templates = [(d.base_url, d.deployment_url) for d in transport.dialects.values()]
        dialect_urls = [fill(url, values) for pair in templates for url in pair]
        for url in (*urls.values(), *dialect_urls):
            if has_dot_segments(urlsplit(url).path):
                raise ValidationError("The address for this key has “.” or “..” in its path.")
        cloud = identity_of(transport, self.specs)
        if cloud is None:
            return
        for role in (Role.API, Role.TEST):
            if role in urls and not cloud.owns(urls[role], for_test=role == Role.TEST):
                refusal = cloud.refusal(urls[role])
                fields = [spec.name for spec in self.config_specs if spec.kind == "url"]
                raise ValidationError({fields[0]: refusal} if fields else refusal)


def _clean(
    specs: list[FieldSpec],
    values: Mapping[str, str],
    *,
    optional: Collection[str] = (),
    missing: str = MISSING,
) -> CleanedFields:
    errors: dict[str, str | list[str]] = {}
    cleaned, notes = CleanedFields({}, [])
    if not isinstance(values, Mapping):
        raise ValidationError("Enter fields and their values.")
    known = {spec.name for spec in specs}
    for name in values.keys() - known:
        errors[name] = "This authentication method does not have this field."
    for spec in specs:
        try:
            value, found = spec.clean(values.get(spec.name, ""))
            value = value or spec.clean(spec.default).value
        except ValidationError as error:
            errors[spec.name] = error.messages
            continue
        notes += found
        if value:
            cleaned[spec.name] = value
        elif spec.required and spec.name not in optional:
            errors[spec.name] = missing.format(label=spec.label)
    if errors:
        raise ValidationError(errors)
    return CleanedFields(cleaned, notes)
