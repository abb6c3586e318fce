"""What was entered into the fields of an auth scheme."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from apikeys.catalogue.fields import member_of
from apikeys.catalogue.pasted_text import divide

from .auth_scheme import AuthScheme
from .provider import Provider

SHORTEST_SECRET = 8  # characters: a shorter one may be part of any text
IN_THE_OPEN = "This contains the credentials, but is not encrypted. Remove them here."


@dataclass
class SchemeInput:
    """Secrets and settings as they were entered. ``clean`` leaves the values to keep.

    ``stored`` names the secrets that may be omitted, since the key has them. With ``anyway``, a
    secret that looks like another provider's is accepted.
    """

    scheme: AuthScheme
    secrets: dict[str, str] = field(repr=False)
    config: dict[str, Any]
    stored: Collection[str] = ()
    anyway: bool = False
    notes: list[str] = field(default_factory=list)
    errors: dict[str, Any] = field(default_factory=dict)
    looks_like: Provider | None = None  # whose key was entered instead

    def clean(self, *, missing: str, in_the_open: Mapping[str, str]) -> None:
        """Clean all fields and collect errors by their names.

        ``missing`` is the error for a required secret. ``in_the_open`` are other texts that are
        stored unencrypted.
        """
        self._divide_pasted()
        try:
            self.secrets, notes = self.scheme.clean_secrets(
                self.secrets, stored=self.stored, missing=missing
            )
        except ValidationError as error:
            self.errors = error.update_error_dict(self.errors)
        else:
            self.notes += notes
            self._derive_config()
            self._check_secrets()
            self._check_secrecy(in_the_open)
        try:
            self.config, notes = self.scheme.clean_config(self.config)
            self.notes += notes
            self.scheme.check_urls(self.config)
        except ValidationError as error:
            self.errors = error.update_error_dict(self.errors)

    def _divide_pasted(self) -> None:
        """Divide a pasted block, such as AWS credentials or a curl command, among the fields."""
        for spec in self.scheme.secret_specs:
            text = self.secrets.get(spec.name)
            if spec.is_document or not isinstance(text, str):
                continue
            found = divide(text, self.scheme.specs)
            if found:
                self.secrets[spec.name] = found.pop(spec.name, "")
                if self.secrets[spec.name]:
                    self.notes.append(f"Kept only the value for {spec.label}.")
            for other in self.scheme.specs:
                values = self.secrets if other.secret else self.config
                if other.name in found and other.may_be_filled(values.get(other.name, "")):
                    values[other.name] = found[other.name]
                    self.notes.append(f"{other.label}: taken from the pasted text.")
        for spec in self.scheme.config_specs:
            if spec.format == "azure_endpoint":
                self._divide_azure_url(str(self.config.get(spec.name, "")))

    def _divide_azure_url(self, url: str) -> None:
        """Take API version and deployment out of the URL of a request, before it is shortened."""
        version = re.search(r"[?&]api-version=([\w.-]{1,40})(?:&|$)", url)
        for spec in self.scheme.config_specs:
            if (
                version
                and spec.name == "api_version"
                and spec.may_be_filled(self.config.get(spec.name, ""))
                and re.fullmatch(spec.pattern, version[1])
            ):
                self.config[spec.name] = version[1]
                self.notes.append(f"{spec.label}: taken from the URL.")
        if deployment := re.search(r"/deployments/([\w.-]{1,64})(?:[/?]|$)", url):
            self.notes.append(f"Use {deployment[1]} as the model of the endpoint.")

    def _derive_config(self) -> None:
        """Fill in what a JSON credential contains, such as the project of a service account."""
        for spec in self.scheme.config_specs:
            source, _, member = spec.derived_from.partition(".")
            derived = member_of(self.secrets[source], member) if source in self.secrets else ""
            if not derived:
                continue
            if not self.config.get(spec.name):
                self.config[spec.name] = derived
                self.notes.append(f"{spec.label}: taken from the {source.replace('_', ' ')}.")
            elif self.config[spec.name] != derived:
                self.notes.append(
                    f"{spec.label} differs from the one in the credentials ({derived})."
                )

    def _check_secrets(self) -> None:
        """Note warnings. Refuse another provider's secrets, unless the user insists."""
        provider = self.scheme.provider
        known = {*self.secrets, *self.stored}
        for spec in self.scheme.secret_specs:
            secret = self.secrets.get(spec.name, "")
            if not secret:
                continue
            self.notes += provider.warnings_about(secret)
            expects = spec.expects
            if expects and secret.startswith(expects["prefix"]) and expects["field"] not in known:
                self.notes.append(expects["warning"])
            if spec.is_document or (spec.pattern and spec.accepts(secret)):
                continue
            if 0 < len(secret) < provider.shortest_key():
                self.errors[spec.name] = [f"This is too short for {provider.with_article()} key."]
            other = Provider.objects.recognize(secret)
            if other is None or other == provider or provider.has_prefix_of(secret):
                continue
            looks = f"This looks like {other.with_article()} key."
            if self.anyway or not provider.has_keys_of_its_own:
                self.notes.append(looks)
            else:
                self.looks_like = other
                self.errors[spec.name] = [looks]

    def _check_secrecy(self, details: Mapping[str, str]) -> None:
        """Refuse texts that are stored unencrypted and shown, but contain a credential."""
        secrets = [secret for secret in self.secrets.values() if len(secret) >= SHORTEST_SECRET]
        texts: Iterable[tuple[str, Any]] = {**self.config, **details}.items()
        for name, text in texts:
            if isinstance(text, str) and any(secret in text for secret in secrets):
                self.errors[name] = [IN_THE_OPEN]
