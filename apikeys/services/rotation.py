"""Rotate an API key: stage, check, promote, roll back, and destroy what is no longer needed."""

from collections.abc import Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from apikeys import checks
from apikeys.actors import Actor
from apikeys.models import ApiKey, CredentialVersion, Event
from apikeys.sealing import CannotOpen, Secrets

from . import versions
from .deletion import lock_keys
from .versions import Conflict

NOTHING_PENDING = "There are no pending credentials."
NOTHING_PREVIOUS = "There are no previous credentials."
NOTHING_STORED = "This method stores no credentials: there is nothing to rotate."


def stage_credentials(
    api_key: ApiKey,
    *,
    by: Actor,
    rev: int,
    remove: Collection[str] = (),
    expires_at: datetime | None = None,
) -> CredentialVersion:
    """Seal ``api_key.secrets`` as the pending version. Nothing else changes for anybody.

    Parts that were not typed are kept from the current version. What was pending is destroyed.
    """
    stored = versions.stored_at(api_key, rev)
    stored.secrets = api_key.secrets
    stored.full_clean()
    versions.keep_required(stored, remove)
    with transaction.atomic():
        row = versions.stored_at(api_key, rev)
        version, parts = versions.next_version(
            row, stored.secrets, by=by.name, remove=remove, notes=stored.notes
        )
        api_key.notes = stored.notes
        if version is None:
            raise ValidationError(_nothing_new(stored))
        version.expires_at = expires_at or version.expires_at
        version.changes = parts
        version.save(force_insert=True)
        versions.swap(row, rev=rev, pending=version)
        versions.destroy([row.pending])
        Event.record(by, "staged credentials", row, fields=parts)
    api_key.secrets = Secrets()
    return version


def _nothing_new(api_key: ApiKey) -> str | dict[str, str]:
    specs = api_key.scheme.secret_specs
    if not specs:
        return NOTHING_STORED
    told = "These are the credentials in use." if api_key.secrets else f"Enter {specs[0].label}."
    return {specs[0].name: told}


def check_credentials(
    api_key: ApiKey, *, by: Actor, rev: int, slot: str = "pending"
) -> checks.CheckResult:
    """Ask the provider whether one version works, and keep the answer beside it."""
    stored = versions.stored_at(api_key, rev)
    version = getattr(stored, slot)
    if version is None:
        raise ValidationError(f"There are no {slot} credentials.")
    try:
        secrets = version.open_for(stored, towards=stored.origins())
    except CannotOpen as error:
        raise ValidationError(str(error)) from None
    result = checks.checker().check(stored, secrets)
    with transaction.atomic():
        _keep_result(stored, version, result)
        note = f"{slot}: {result.outcome.replace('_', ' ')}"
        Event.record(by, "tested credentials", stored, note=note)
    return result


def _keep_result(stored: ApiKey, version: CredentialVersion, result: checks.CheckResult) -> None:
    now = timezone.now()
    keys = lock_keys(stored.pk)  # before its versions, as every act does: nobody waits in a ring
    if stored.pk not in keys or keys[stored.pk].config != stored.config:
        raise Conflict  # it is sent elsewhere by now, where nobody has tested it
    row = CredentialVersion.objects.filter(pk=version.pk, destroyed_at=None)
    if not row.update(tested_at=now, test_outcome=result.outcome):
        raise Conflict  # destroyed while the provider was thinking
    in_use = ApiKey.objects.filter(pk=stored.pk, current=version)
    if result.outcome == checks.WORKS:
        in_use.update(refused_at=None)
    elif result.outcome == checks.REFUSED:
        in_use.filter(refused_at=None).update(refused_at=now)


def promote_credentials(
    api_key: ApiKey, *, by: Actor, rev: int, confirmation: str = "", compromised: bool = False
) -> None:
    """Make the pending version the current one, and the current one the previous one.

    Without a test that was passed, ``confirmation`` must be the key's name. The current one is
    destroyed where it is ``compromised``.
    """
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = _usable(stored, stored.pending, NOTHING_PENDING)
        if not version.has_passed and confirmation.strip() != stored.name:
            raise ValidationError(
                {
                    "confirmation": f"No test was passed. Type the name of the key, {stored.name}, "
                    "to promote them anyway."
                }
            )
        versions.put_in_force(stored, version, rev=rev, compromised=compromised, pending=None)
        notes = [] if version.has_passed else ["without a passed test"]
        notes += [versions.COMPROMISED] if compromised else []
        note = "; ".join(notes)
        Event.record(by, "promoted credentials", stored, fields=version.parts, note=note)


def roll_back_credentials(
    api_key: ApiKey, *, by: Actor, rev: int, compromised: bool = False
) -> None:
    """Swap current and previous version, so that one can go forward again in the same way.

    Where the current one is ``compromised`` it is destroyed, and there is no way forward.
    """
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = _usable(stored, stored.previous, NOTHING_PREVIOUS)
        versions.put_in_force(stored, version, rev=rev, compromised=compromised)
        note = versions.COMPROMISED if compromised else ""
        Event.record(by, "rolled back credentials", stored, fields=version.parts, note=note)


def _usable(stored: ApiKey, version: CredentialVersion | None, missing: str) -> CredentialVersion:
    """Refuse what is not there, and what does not fit the key as it stands now."""
    if version is None:
        raise ValidationError(missing)
    if misfit := stored.misfit_of(version):
        raise ValidationError(f"{misfit} Enter them again.")
    return version


def discard_pending(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Destroy the pending version."""
    _drop(api_key, "pending", "discarded pending credentials", by=by, rev=rev)


def destroy_previous(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Destroy the previous version: from now on there is no way back to it."""
    _drop(api_key, "previous", "destroyed previous credentials", by=by, rev=rev)


def _drop(api_key: ApiKey, slot: str, act: str, *, by: Actor, rev: int) -> None:
    with transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        version = getattr(stored, slot)
        if version is None:
            raise ValidationError(f"There are no {slot} credentials.")
        versions.swap(stored, rev=rev, **{slot: None})
        versions.destroy([version])
        Event.record(by, act, stored, fields=version.parts)
