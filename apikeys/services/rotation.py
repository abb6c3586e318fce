"""Rotate an API key: stage, test, promote, roll back, and destroy old credentials."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from apikeys import credential_tests
from apikeys.models import ApiKey, CheckedDraft, CredentialVersion, Verdict
from apikeys.sealing import CannotOpen
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict

from . import versions
from .provider_refusals import lift_what_test_disproves

NOTHING_PENDING = "There are no pending credentials."
NOTHING_PREVIOUS = "There are no previous credentials."
NOTHING_STORED = "This authentication method stores no credentials, so there is nothing to rotate."


class Staged(NamedTuple):
    """The pending version, and notes for the user."""

    version: CredentialVersion
    notes: list[str]


def stage_credentials(
    draft: CheckedDraft,
    *,
    by: Actor,
    rev: int,
    remove: Collection[str] = (),
    expires_at: datetime | None = None,
) -> Staged:
    """Encrypt the secrets as the pending version. Requests still use the current one.

    Secrets that were not entered are kept from the current version. An older pending version is
    destroyed. Raises ``ValidationError`` and ``Conflict``.
    """
    if draft.stored is None or draft.stored.rev != rev:
        raise Conflict
    versions.stored_at(draft.stored, rev)  # a conflict comes before any error
    versions.keep_required(draft.valid_row(), remove)
    with transaction.atomic():
        row = versions.stored_at(draft.stored, rev)
        version, parts, notes = versions.next_version(row, draft.secrets, by=by.name, remove=remove)
        if version is None:
            specs = row.scheme.secret_specs
            if not specs:
                raise ValidationError(NOTHING_STORED)
            in_use = "These credentials are already in use."
            missing = f"Enter the {specs[0].label}."
            raise ValidationError({specs[0].name: in_use if draft.secrets else missing})
        version.expires_at = expires_at or version.expires_at
        version.changes = parts
        version.save(force_insert=True)
        versions.swap(row, rev=rev, pending=version)
        versions.destroy([row.pending])
        AuditEvent.record(by, "staged credentials", row, fields=parts)
    return Staged(version, [*draft.notes, *notes])


def run_credential_test(
    api_key: ApiKey, *, by: Actor, rev: int, slot: str = "pending"
) -> credential_tests.ProbeResult:
    """Test one version with the provider, and store the result with it."""
    stored = versions.stored_at(api_key, rev)
    version = getattr(stored, slot)
    if version is None:
        raise ValidationError(f"There are no {slot} credentials.")
    try:
        secrets = version.open_for(stored, towards=stored.origins())
    except CannotOpen as error:
        raise ValidationError(str(error)) from None
    result = credential_tests.tester().test(stored, secrets)
    now = timezone.now()
    with transaction.atomic():
        keys = ApiKey.objects.lock(stored.pk)
        if stored.pk not in keys or keys[stored.pk].config != stored.config:
            raise Conflict  # the test was made with other settings
        row = CredentialVersion.objects.filter(pk=version.pk, destroyed_at=None)
        if not row.update(tested_at=now, test_outcome=result.outcome):
            raise Conflict  # destroyed during the test
        in_use = ApiKey.objects.filter(pk=stored.pk, current=version)
        if result.outcome == Verdict.WORKS:
            if in_use.update(refused_at=None, refusal_seen_at=None) and result.reached_api:
                lift_what_test_disproves(stored.pk, version_id=version.pk, by=by)
        elif result.outcome == Verdict.REFUSED:
            in_use.filter(refused_at=None).update(refused_at=now, refusal_seen_at=now)
        note = f"{slot}: {result.outcome.replace('_', ' ')}"
        AuditEvent.record(by, "tested credentials", stored, note=note)
    return result


def promote_credentials(
    api_key: ApiKey, *, by: Actor, rev: int, confirmation: str = "", compromised: bool = False
) -> None:
    """Make the pending version the current one, and the current one the previous one.

    Without a passing test, ``confirmation`` must be the key's name. The current version is
    destroyed if it is ``compromised``.
    """
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = _usable(stored, stored.pending, NOTHING_PENDING)
        if not version.has_passed and confirmation.strip() != stored.name:
            raise ValidationError(
                {"confirmation": f"There is no passing test. Type {stored.name} to promote anyway."}
            )
        versions.put_in_force(stored, version, rev=rev, compromised=compromised, pending=None)
        notes = [] if version.has_passed else ["without a passing test"]
        notes += [versions.COMPROMISED] if compromised else []
        note = "; ".join(notes)
        AuditEvent.record(by, "promoted credentials", stored, fields=version.part_names, note=note)


def roll_back_credentials(
    api_key: ApiKey, *, by: Actor, rev: int, compromised: bool = False
) -> None:
    """Swap the current and the previous version, so that doing it again undoes it.

    If the current version is ``compromised``, it is destroyed instead.
    """
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = _usable(stored, stored.previous, NOTHING_PREVIOUS)
        versions.put_in_force(stored, version, rev=rev, compromised=compromised)
        note = versions.COMPROMISED if compromised else ""
        AuditEvent.record(
            by, "rolled back credentials", stored, fields=version.part_names, note=note
        )


def _usable(stored: ApiKey, version: CredentialVersion | None, missing: str) -> CredentialVersion:
    """Refuse a missing version, and one that does not work with the key's settings."""
    if version is None:
        raise ValidationError(missing)
    if misfit := stored.misfit_of(version):
        raise ValidationError(f"{misfit} Enter them again.")
    return version


def discard_pending(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Destroy the pending version."""
    _drop(api_key, "pending", "discarded pending credentials", by=by, rev=rev)


def destroy_previous(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Destroy the previous version. Rolling back is no longer possible."""
    _drop(api_key, "previous", "destroyed previous credentials", by=by, rev=rev)


def _drop(api_key: ApiKey, slot: str, action: str, *, by: Actor, rev: int) -> None:
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = getattr(stored, slot)
        if version is None:
            raise ValidationError(f"There are no {slot} credentials.")
        versions.swap(stored, rev=rev, **{slot: None})
        versions.destroy([version])
        AuditEvent.record(by, action, stored, fields=version.part_names)
