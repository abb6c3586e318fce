"""Create and edit API keys."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, CheckedDraft, CredentialVersion
from apikeys.models.details import DETAILS
from apikeys.sealing import CannotOpen
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.naming import name_key_of, unique_name

from . import versions

NOTHING_INSTEAD = "Enter new credentials to replace the leaked ones."
OLD_EXPIRY = "Removed the expiry date of the old credentials."


class Saved(NamedTuple):
    """The row as it is stored now, the names of what changed, and notes for the user."""

    api_key: ApiKey
    changed: list[str]
    notes: list[str]


def create_api_key(draft: CheckedDraft, *, by: Actor) -> Saved:
    """Encrypt the secrets and save the key. Raises ``ValidationError``."""
    api_key = draft.valid_row()
    api_key.created_by = by.name
    version = CredentialVersion.seal(api_key, draft.secrets, origins=api_key.origins(), by=by.name)
    version.expires_at = api_key.expires_at or version.expires_at
    notes = [*draft.notes, *versions.twin_notes(api_key, version)]
    with unique_name(ApiKey), transaction.atomic():
        api_key.save(force_insert=True)
        version.save(force_insert=True)
        columns = {"current": version, **api_key.columns_with(version)}
        ApiKey.objects.filter(pk=api_key.pk).update(**columns)
        details = [name for name in DETAILS if getattr(api_key, name)]
        fields = [*details, *draft.config, *draft.secrets]
        AuditEvent.record(by, "created", api_key, fields=fields)
    for name, value in columns.items():
        setattr(api_key, name, value)
    return Saved(api_key, fields, notes)


def update_api_key(
    draft: CheckedDraft,
    *,
    by: Actor,
    rev: int,
    remove: Collection[str] = (),
    compromised: bool = False,
) -> Saved:
    """Save what differs from the stored row.

    Secrets that were not entered are kept, those in ``remove`` are dropped. New credentials become
    current at once, and the old ones previous. If the old ones are ``compromised``, new ones are
    required, and the old ones are destroyed.

    Raises ``ValidationError``, and ``Conflict`` if the row is no longer at ``rev``, or if the draft
    was checked against another revision.
    """
    if draft.stored is None or draft.stored.rev != rev:
        raise Conflict
    versions.stored_at(draft.stored, rev)  # a conflict comes before any error
    api_key = draft.valid_row()
    versions.keep_required(api_key, remove)
    with unique_name(ApiKey), transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        if stored.scheme_id != api_key.scheme_id:
            raise ValidationError(
                {"scheme": "The authentication method of a key cannot change. Create another key."}
            )
        new = versions.next_version(
            stored, draft.secrets, by=by.name, origins=api_key.origins(), remove=remove
        )
        if compromised and not new.changed:
            raise ValidationError({"compromised": NOTHING_INSTEAD})
        edit = _Edit(api_key, stored, new.version, new.changed, compromised)
        changed = [*edit.changed_details(), *new.changed]
        notes = [*draft.notes, *new.notes, *edit.settle_expiry()]
        if changed or new.version is not None:
            edit.write()
            note = versions.COMPROMISED if compromised else ""
            AuditEvent.record(by, "edited", api_key, fields=changed, note=note)
            api_key.refresh_from_db()
    return Saved(api_key, changed, notes)


@dataclass
class _Edit:
    """What ``api_key`` is to be, beside the row as it is ``stored``."""

    api_key: ApiKey
    stored: ApiKey
    version: CredentialVersion | None  # to save, if one is needed
    parts: list[str]  # names of the secrets that differ
    compromised: bool

    def changed_details(self) -> list[str]:
        """Return the names of the details and settings that differ."""
        api_key, stored = self.api_key, self.stored
        changed = [name for name in DETAILS if getattr(api_key, name) != getattr(stored, name)]
        return changed + [
            spec.name
            for spec in api_key.scheme.config_specs
            if api_key.config.get(spec.name) != stored.settings.get(spec.name)
        ]

    def settle_expiry(self) -> list[str]:
        """Decide when a new version expires: on the date that was entered, or by its kind.

        A date that was not edited applies to new credentials too, unless it has passed or the old
        credentials were short-lived. Returns notes for the user.
        """
        notes: list[str] = []
        if self.version is None:
            return notes
        given, by_kind = self.api_key.expires_at, self.version.expires_at
        if given == self.stored.expires_at and self.parts:
            is_over = bool(given and given <= timezone.now()) or _is_short_lived(self.stored)
            given = by_kind or (None if is_over else given)
            if self.stored.expires_at and not given:
                notes.append(OLD_EXPIRY)
        self.api_key.expires_at = given or (by_kind if self.parts else None)
        self.version.expires_at = self.api_key.expires_at
        return notes

    def write(self) -> None:
        """Write the row, if it is still as ``stored``, and its versions."""
        api_key, stored, current = self.api_key, self.stored, self.stored.current
        values: dict[str, Any] = {name: getattr(api_key, name) for name in (*DETAILS, "config")}
        values["name_key"] = name_key_of(api_key.name)
        if self.version is None:
            expires_at = None if current is None else current.expires_at
            if current is not None:
                current.expires_at = api_key.expires_at
            values |= api_key.columns_with(current)
            versions.swap(stored, rev=stored.rev, **values)
            if current is not None and current.expires_at != expires_at:
                current.save(update_fields=["expires_at"])
        else:
            if current is not None and not self.parts:  # the same, encrypted for other origins
                self.version.created_at = current.created_at
            self.version.save(force_insert=True)
            values |= {"current": self.version, **api_key.columns_with(self.version)}
            if self.parts:
                compromised = self.compromised
                versions.put_in_force(
                    stored, self.version, rev=stored.rev, compromised=compromised, **values
                )
            else:
                versions.swap(stored, rev=stored.rev, **values)
                versions.destroy([current])
        if api_key.config != stored.config:  # never tested with these settings
            tested = stored.versions.exclude(test_outcome="").filter(destroyed_at=None)
            tested.update(test_outcome="", tested_at=None)


def _is_short_lived(stored: ApiKey) -> bool:
    """Whether the stored credentials expire by their kind, as far as they can be decrypted."""
    if stored.current is None:
        return False
    try:
        secrets = stored.current.open_for(stored, towards={})
    except CannotOpen:
        return False
    return stored.scheme.lifetime_of(secrets) is not None


def disable_api_key(api_key: ApiKey, *, by: Actor, rev: int, seen: str = "") -> None:
    """Stop sending these credentials anywhere.

    If active endpoints depend on the key, ``seen`` must be the digest of the blast radius that the
    user saw. Raises ``Conflict`` if it has changed.
    """
    with transaction.atomic():
        ApiKey.objects.lock(api_key.pk)
        stored = versions.stored_at(api_key, rev)
        radius = blast_radius_of(stored)
        if radius.active and radius.digest() != seen:
            raise Conflict
        _switch(stored, on=False, by=by)


def enable_api_key(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Let the gateway use these credentials again."""
    with transaction.atomic():
        _switch(versions.stored_at(api_key, rev), on=True, by=by)


def _switch(stored: ApiKey, *, on: bool, by: Actor) -> None:
    action = "enabled" if on else "disabled"
    if stored.enabled == on:
        raise ValidationError(f"This key is already {action}.")
    versions.swap(stored, rev=stored.rev, enabled=on)
    AuditEvent.record(by, action, stored)
