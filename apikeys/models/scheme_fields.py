"""What an API key knows of its scheme, and how it checks what that asks for."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from apikeys.catalogue.fields import FieldSpec, member_of
from apikeys.sealing import Secrets

from .auth_scheme import MISSING, MISSING_AFTER_A_MOVE
from .provider import Provider


class SchemeFields:
    """The part of ``ApiKey`` about its scheme, which cleans ``config`` and ``secrets``."""

    @property
    def provider(self) -> Provider:
        return self.scheme.provider

    def config_summary(self) -> list[tuple[FieldSpec, str]]:
        return [(spec, self.config.get(spec.name, "")) for spec in self.scheme.config_specs]

    def base_url(self) -> str:
        """Return where requests go."""
        return self.scheme.base_url_for(self.config)

    def origins(self) -> set[str]:
        return self.scheme.origins_for(self.config)

    def moves_elsewhere(self) -> bool:
        """Whether the key, as it stands now, would go to an origin that the stored row has not.

        Queries the stored row.
        """
        stored = type(self).objects.filter(pk=self.pk).values_list("scheme_id", "config").first()
        if stored is None:
            return False  # deleted in the meantime, which saving will find out
        scheme_id, before = stored
        try:
            after = self.scheme.clean_config(self.config, [])
            origins = self.scheme.origins_for(before) if scheme_id == self.scheme_id else set()
            return not self.scheme.origins_for(after) <= origins
        except ValidationError:
            return True

    def _clean_scheme_fields(self, errors: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(self.config, Mapping):
            return {**errors, "config": ["Enter settings by name."]}
        moves = not self._state.adding and self.moves_elsewhere()
        stored = () if self._state.adding or moves else self.stored_parts()
        missing = MISSING_AFTER_A_MOVE if moves else MISSING
        try:
            self.secrets = Secrets(
                self.scheme.clean_secrets(self.secrets, self.notes, stored=stored, missing=missing)
            )
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        else:
            self._derive_config()
            self._note_warnings()
        try:
            self.config = self.scheme.clean_config(self.config, self.notes)
            self.scheme.origins_for(self.config)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        return errors

    def _derive_config(self) -> None:
        """Fill in what a JSON credential tells by itself, as a service account its project."""
        for spec in self.scheme.config_specs:
            field, _, member = spec.derived_from.partition(".")
            if field in self.secrets and (told := member_of(self.secrets[field], member)):
                if not self.config.get(spec.name):
                    self.config = {**self.config, spec.name: told}
                    self.notes.append(f"{spec.label}: taken from the {field.replace('_', ' ')}.")
                elif self.config[spec.name] != told:
                    self.notes.append(
                        f"{spec.label} differs from the one in the credentials ({told})."
                    )

    def _note_warnings(self) -> None:
        for spec in self.scheme.secret_specs:
            secret = self.secrets.get(spec.name, "")
            self.notes += self.scheme.provider.warnings_about(secret) if secret else []
            expects = spec.expects
            if expects and secret.startswith(expects["prefix"]) and not self._has(expects["field"]):
                self.notes.append(expects["warning"])

    def _has(self, name: str) -> bool:
        return name in self.secrets or name in self.stored_parts()
