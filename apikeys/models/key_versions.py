"""What an API key knows of its credential versions."""

from collections.abc import Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.origins import origin_of
from apikeys.sealing import CannotOpen

from .credential_version import CredentialVersion
from .deadlines import Status, deadlines, statuses

SLOTS = ("pending", "current", "previous")


class KeyVersions:
    """The part of ``ApiKey`` about ``current``, ``pending`` and ``previous``."""

    def stored_parts(self) -> list[str]:
        """Return the names of the secret fields that are stored."""
        try:
            return self.current.parts if self.current else []
        except CredentialVersion.DoesNotExist:
            return []  # deleted in the meantime

    def secret_summary(self) -> list[tuple[FieldSpec, bool]]:
        """Return each secret field and whether it is stored."""
        stored = self.stored_parts()
        return [(spec, spec.name in stored) for spec in self.scheme.secret_specs]

    def statuses(self) -> list[Status]:
        """Return what somebody should know of it, the worst first."""
        return statuses(self, timezone.now())

    def deadlines_with(self, version: CredentialVersion) -> dict[str, datetime | None]:
        """Return the columns that hold while ``version`` is the current one."""
        return deadlines(
            version.created_at,
            expires_at=version.expires_at,
            rotate_every_days=self.rotate_every_days,
        )

    def is_readable(self) -> bool:
        """Whether a master key recognises the stored credentials. Nothing is opened."""
        return self.current is not None and self.current.is_readable()

    def unreadable_because(self) -> str:
        """Open the credentials and forget them again; return why that fails, or ``""``."""
        if self.current is None:
            return "No credentials are stored."
        try:
            return self._refusal_of(self.current, towards=[origin_of(self.base_url())])
        except ValueError:
            return "The address that it would be sent to is not a URL."

    def misfit_of(self, version: CredentialVersion) -> str:
        """Return why ``version`` cannot be used as this key stands now, or ``""``."""
        try:
            refusal = self._refusal_of(version, towards=self.origins())
        except ValidationError as error:
            return " ".join(error.messages)
        return refusal or self._reverts(version)

    def _reverts(self, version: CredentialVersion) -> str:
        """Return what was edited since ``version`` was staged, which kept it as it was before."""
        if self.current is None or version.pk != self.pending_id or version.changes is None:
            return ""
        try:
            now = self.current.open_for(self, towards=())
            then = version.open_for(self, towards=())
        except CannotOpen:
            return ""  # nothing to compare with, and these may be what mends it
        labels = [
            spec.label
            for spec in self.scheme.secret_specs
            if spec.name not in version.changes and now.get(spec.name) != then.get(spec.name)
        ]
        told = "Edited since they were staged, and they would undo it"
        return f"{told}: {', '.join(labels)}." if labels else ""

    def _refusal_of(self, version: CredentialVersion, *, towards: Collection[str]) -> str:
        try:
            version.open_for(self, towards=towards)
        except CannotOpen as error:
            return str(error)
        return ""
