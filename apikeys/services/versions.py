"""Changes of credentials: encrypt the next version, swap it in, destroy the old one.

A change is one compare-and-swap UPDATE of the key's row by ``rev``. Only the winner continues.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import get_text_list

from apikeys.models import ApiKey, CredentialVersion, Restriction
from apikeys.sealing import CannotOpen, Origins, Secrets
from gatewayproject.console.conflict import Conflict

from .sqlite_wal import empty_write_ahead_log, settle_erasing

SAME = "These credentials are already stored. They were not changed."
COMPROMISED = "the replaced credentials had leaked and were destroyed"


class NextVersion(NamedTuple):
    """A version to save, if one is needed, which secrets differ in it, and notes for the user."""

    version: CredentialVersion | None
    changed: list[str]
    notes: list[str]


def stored_at(api_key: ApiKey, rev: int) -> ApiKey:
    """Return the row of ``api_key``, with its versions. Raises ``Conflict`` if it changed."""
    stored = ApiKey.objects.with_versions().filter(pk=api_key.pk, rev=rev).first()
    if stored is None:
        raise Conflict
    return stored


def swap(api_key: ApiKey, *, rev: int, **values: Any) -> None:
    """Write ``values`` to the row, if it is still at ``rev``: one compare-and-swap UPDATE.

    Raises ``Conflict`` otherwise.
    """
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

    The old previous version is destroyed, and so is the current one if it is ``compromised``.
    """
    outgoing = stored.current
    swap(
        stored,
        rev=rev,
        **{
            "current": version,
            "previous": None if compromised else outgoing,
            "credentials_changed_at": timezone.now(),
            # The provider refused, or restricted, the old credentials.
            "refused_at": None,
            "refusal_seen_at": None,
            "restricted": False,
            **stored.columns_with(version),
            **values,
        },
    )
    Restriction.objects.filter(version__in=filter(None, (version, outgoing))).delete()
    dropped = [] if stored.previous == version else [stored.previous]
    if compromised:
        dropped.append(outgoing)
    elif outgoing is not None:
        outgoing.step_back()
    destroy(dropped)


def destroy(versions: Iterable[CredentialVersion | None]) -> None:
    """Overwrite what is stored of ``versions``, on SQLite in the files as well."""
    found = sorted(filter(None, versions), key=lambda version: version.pk)  # to avoid deadlocks
    for version in found:
        version.destroy()
    if found:
        transaction.on_commit(empty_write_ahead_log, robust=True)


def next_version(
    stored: ApiKey,
    typed: Secrets,
    *,
    by: str,
    origins: Origins | None = None,
    remove: Collection[str] = (),
) -> NextVersion:
    """Return the version to save after ``typed`` was entered.

    Other secrets are kept from the current version, unless they would be sent to new ``origins``.
    """
    try:
        known: Origins = stored.origins()
    except ValidationError:
        known = {}  # malformed settings: the key is not sent anywhere
    origins = known if origins is None else origins
    moves = not origins.items() <= known.items()
    # A key that lost its credentials with a master key may have no required ones to enter again.
    needs_none = stored.current is None and not any(s.required for s in stored.scheme.secret_specs)
    if not (typed or remove or moves or needs_none):
        return NextVersion(None, [], [])
    before = Secrets()
    if stored.current is not None:
        try:
            before = stored.current.open_for(stored, towards={} if moves else origins)
        except CannotOpen as error:  # then all secrets must be entered again
            missing = [spec.name for spec in stored.scheme.secret_specs if spec.required]
            if not set(missing) <= set(typed):
                message = f"{error} Enter all credentials again."
                raise ValidationError(dict.fromkeys(missing, message)) from None
    kept = {} if moves else {name: value for name, value in before.items() if name not in remove}
    after = {**kept, **typed}
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    if not changed and needs_none:
        changed = ["credentials"]
    if not changed and not moves:
        return NextVersion(None, [], [SAME])
    version = CredentialVersion.seal(stored, after, origins=origins, by=by)
    return NextVersion(version, changed, twin_notes(stored, version))


def keep_required(api_key: ApiKey, remove: Collection[str]) -> None:
    """Refuse to drop secrets that the scheme requires."""
    required = [spec for spec in api_key.scheme.secret_specs if spec.required]
    if refused := [spec for spec in required if spec.name in remove]:
        raise ValidationError(
            {spec.name: f"{spec.label} is required. Replace it instead." for spec in refused}
        )


def twin_notes(api_key: ApiKey, version: CredentialVersion) -> list[str]:
    """Return a note that names other keys with the same credentials, the first three."""
    if not version.fingerprint:
        return []
    twins = ApiKey.objects.filter(current__fingerprint=version.fingerprint).exclude(pk=api_key.pk)
    names = [f"“{twin.name}”" for twin in twins.order_by("name_key")[:3]]
    return (
        [f"The same credentials are also stored as {get_text_list(names, 'and')}."] if names else []
    )
