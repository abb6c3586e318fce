"""What every act on credentials has in common: seal the next version, swap it in, destroy the old.

An act is one compare-and-swap UPDATE of the key's row by ``rev``. Only who wins it goes on.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import CannotOpen, Secrets

from .erasing import empty_write_ahead_log, settle_erasing

SAME = "The credentials are the same as those stored: they were left as they are."
COMPROMISED = "those in use until then were compromised and are destroyed"


class Conflict(Exception):
    """Somebody else changed the thing since it was looked at."""


def stored_at(api_key: ApiKey, rev: int) -> ApiKey:
    """Return the row of ``api_key``, with its versions. Raises ``Conflict`` where it moved on."""
    stored = ApiKey.objects.with_versions().filter(pk=api_key.pk, rev=rev).first()
    if stored is None:
        raise Conflict
    return stored


def swap(api_key: ApiKey, *, rev: int, **values: Any) -> None:
    """Write ``values`` to the row, if it is still at ``rev``: one compare-and-swap UPDATE."""
    if not ApiKey.objects.filter(pk=api_key.pk, rev=rev).update(**values, rev=F("rev") + 1):
        raise Conflict
    transaction.on_commit(settle_erasing, robust=True)


def put_in_force(
    stored: ApiKey,
    version: CredentialVersion,
    *,
    rev: int,
    compromised: bool = False,
    **values: Any,
) -> None:
    """Make ``version`` the current one, and the current one the previous one.

    What was the previous one is destroyed; so is the current one where it is ``compromised``.
    """
    outgoing = stored.current
    swap(
        stored,
        rev=rev,
        **{
            "current": version,
            "previous": None if compromised else outgoing,
            "credentials_changed_at": timezone.now(),
            "refused_at": None,  # that was the old credentials
            **stored.deadlines_with(version),
            **values,
        },
    )
    dropped = [] if stored.previous == version else [stored.previous]
    if compromised:
        dropped.append(outgoing)
    elif outgoing is not None:
        outgoing.step_back()
    destroy(dropped)


def destroy(versions: Iterable[CredentialVersion | None]) -> None:
    """Overwrite what is stored of ``versions``; on SQLite it leaves the files as well."""
    found = sorted(filter(None, versions), key=lambda version: version.pk)  # nobody waits in a ring
    for version in found:
        version.destroy()
    if found:
        transaction.on_commit(empty_write_ahead_log, robust=True)


def next_version(
    stored: ApiKey,
    typed: Secrets,
    *,
    by: str,
    origins: Collection[str] | None = None,
    remove: Collection[str] = (),
    notes: list[str],
) -> tuple[CredentialVersion | None, list[str]]:
    """Return the version to save, if one is needed, and the names of the secrets that differ.

    What was not typed is kept from the current version, unless it would go to new ``origins``.
    """
    origins = stored.origins() if origins is None else origins
    moves = not set(origins) <= stored.origins()
    if not (typed or remove or moves or _can_begin_anew(stored)):
        return None, []
    before = _open(stored, typed=typed, towards=() if moves else origins)
    kept = {} if moves else {name: value for name, value in before.items() if name not in remove}
    after = {**kept, **typed}
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    if not changed and _can_begin_anew(stored):
        changed = ["credentials"]
    if not changed and not moves:
        notes.append(SAME)
        return None, []
    version = CredentialVersion.seal(stored, after, origins=origins, by=by)
    note_twins(stored, version, notes)
    return version, changed


def _can_begin_anew(stored: ApiKey) -> bool:
    """Whether it lost its credentials, with a master key, and there is nothing to enter again."""
    return stored.current is None and not any(s.required for s in stored.scheme.secret_specs)


def _open(stored: ApiKey, *, typed: Secrets, towards: Collection[str]) -> Secrets:
    """Open what is stored, to keep parts of it; what does not open must be replaced as a whole."""
    if stored.current is None:
        return Secrets()
    try:
        return stored.current.open_for(stored, towards=towards)
    except CannotOpen as error:
        missing = [spec.name for spec in stored.scheme.secret_specs if spec.required]
        if set(missing) <= set(typed):
            return Secrets()
        raise ValidationError(
            dict.fromkeys(missing, f"{error} Enter all credentials again.")
        ) from None


def keep_required(api_key: ApiKey, remove: Collection[str]) -> None:
    """Refuse to drop what the scheme cannot do without."""
    required = [spec for spec in api_key.scheme.secret_specs if spec.required]
    if refused := [spec for spec in required if spec.name in remove]:
        raise ValidationError(
            {spec.name: f"{spec.label} is required: replace it instead." for spec in refused}
        )


def note_twins(api_key: ApiKey, version: CredentialVersion, notes: list[str]) -> None:
    """Say so where the same credentials are stored under another name."""
    if not version.fingerprint:
        return
    twins = ApiKey.objects.filter(current__fingerprint=version.fingerprint).exclude(pk=api_key.pk)
    for twin in twins.order_by("name_key")[:3]:
        notes.append(f"The same credentials are also stored as “{twin.name}”.")
