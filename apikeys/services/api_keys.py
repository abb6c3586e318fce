"""Create and edit API keys."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import ApiKey, CredentialVersion, Event
from apikeys.models.api_key import NAME_TAKEN
from apikeys.sealing import CannotOpen, Secrets

from . import versions
from .versions import Conflict

DETAILS = ("name", "environment", "team", "description", "rotate_every_days", "expires_at")
NOTHING_INSTEAD = "Enter the new credentials that take the place of the compromised ones."
OLD_EXPIRY = "The expiry date was that of the old credentials: it was removed."


def create_api_key(api_key: ApiKey, *, by: Actor) -> ApiKey:
    """Seal ``api_key.secrets`` and save the key. Raises ``ValidationError``."""
    api_key.full_clean()
    api_key.created_by = by.name
    version = CredentialVersion.seal(
        api_key, api_key.secrets, origins=api_key.origins(), by=by.name
    )
    version.expires_at = api_key.expires_at or version.expires_at
    versions.note_twins(api_key, version, api_key.notes)
    with _name_taken_is_an_error(), transaction.atomic():
        api_key.save(force_insert=True)
        version.save(force_insert=True)
        follows = api_key.deadlines_with(version)
        ApiKey.objects.filter(pk=api_key.pk).update(current=version, **follows)
        Event.record(by, "created", api_key, fields=_names(api_key))
    api_key.secrets = Secrets()
    for name, value in {"current": version, **follows}.items():
        setattr(api_key, name, value)
    return api_key


def update_api_key(
    api_key: ApiKey,
    *,
    by: Actor,
    rev: int,
    remove: Collection[str] = (),
    compromised: bool = False,
) -> list[str]:
    """Save what differs from the stored row and return the names of what changed.

    Secrets that were not typed are kept, those in ``remove`` are dropped. New credentials are
    current at once, and the old ones the previous, unless they are ``compromised``: then there have
    to be new ones, and the old ones are destroyed.

    Raises ``ValidationError``, and ``Conflict`` where the row is no longer at ``rev``.
    """
    if not ApiKey.objects.filter(pk=api_key.pk, rev=rev).exists():
        raise Conflict
    api_key.full_clean()
    versions.keep_required(api_key, remove)
    with _name_taken_is_an_error(), transaction.atomic():
        stored = versions.stored_at(api_key, rev)
        if stored.scheme_id != api_key.scheme_id:
            raise ValidationError(
                {"scheme": "A key keeps its method. Create another key for this one."}
            )
        version, parts = versions.next_version(
            stored, api_key.secrets, by=by.name, origins=api_key.origins(), remove=remove,
            notes=api_key.notes,
        )  # fmt: skip
        if compromised and not parts:
            raise ValidationError({"compromised": NOTHING_INSTEAD})
        changed = [*_differences(api_key, stored), *parts]
        _settle_expiry(api_key, stored, version, is_new=bool(parts))
        if not changed and version is None:
            return []
        _write(api_key, stored, version, is_new=bool(parts), compromised=compromised)
        note = versions.COMPROMISED if compromised else ""
        Event.record(by, "edited", api_key, fields=changed, note=note)
    api_key.refresh_from_db()
    api_key.secrets = Secrets()
    return changed


def _settle_expiry(
    api_key: ApiKey, stored: ApiKey, version: CredentialVersion | None, *, is_new: bool
) -> None:
    """Decide when the credentials expire: when it was typed, else when their kind does.

    A date that was not touched stays for new credentials, unless it is over, or was there because
    the old ones were short-lived.
    """
    if version is None:
        return
    given, known = api_key.expires_at, version.expires_at
    if given == stored.expires_at and is_new:
        is_over = bool(given and given <= timezone.now()) or _is_short_lived(stored)
        given = known or (None if is_over else given)
        if stored.expires_at and not given:
            api_key.notes.append(OLD_EXPIRY)
    api_key.expires_at = version.expires_at = given or (known if is_new else None)


def _is_short_lived(stored: ApiKey) -> bool:
    """Whether the stored credentials are of a kind that ends by itself, as far as they open."""
    if stored.current is None:
        return False
    try:
        secrets = stored.current.open_for(stored, towards=())
    except CannotOpen:
        return False
    return stored.scheme.lifetime_of(secrets) is not None


def _differences(api_key: ApiKey, stored: ApiKey) -> list[str]:
    """Return the names of the details and settings that differ."""
    changed = [name for name in DETAILS if getattr(api_key, name) != getattr(stored, name)]
    return changed + [
        spec.name
        for spec in api_key.scheme.config_specs
        if api_key.config.get(spec.name) != stored.config.get(spec.name)
    ]


def _write(
    api_key: ApiKey,
    stored: ApiKey,
    version: CredentialVersion | None,
    *,
    is_new: bool,
    compromised: bool,
) -> None:
    """Write the row, if it is still as ``stored``, and what follows for its versions."""
    values: dict[str, Any] = {
        name: getattr(api_key, name) for name in (*DETAILS, "name_key", "config")
    }
    if version is None:
        _keep_credentials(api_key, stored, values)
    else:
        _take_credentials(api_key, stored, version, values, is_new=is_new, compromised=compromised)
    if api_key.config != stored.config:  # nobody has tested them with these settings
        tested = stored.versions.exclude(test_outcome="").filter(destroyed_at=None)
        tested.update(test_outcome="", tested_at=None)


def _take_credentials(
    api_key: ApiKey,
    stored: ApiKey,
    version: CredentialVersion,
    values: dict[str, Any],
    *,
    is_new: bool,
    compromised: bool,
) -> None:
    if not is_new and stored.current:  # the same credentials, only sealed for another place
        version.created_at = stored.current.created_at
    version.save(force_insert=True)
    values |= api_key.deadlines_with(version)
    if is_new:
        versions.put_in_force(stored, version, rev=stored.rev, compromised=compromised, **values)
    else:
        versions.swap(stored, rev=stored.rev, current=version, **values)
        versions.destroy([stored.current])


def _keep_credentials(api_key: ApiKey, stored: ApiKey, values: dict[str, Any]) -> None:
    current = stored.current
    if current is not None:
        current.expires_at = api_key.expires_at
        values |= api_key.deadlines_with(current)
    versions.swap(stored, rev=stored.rev, **values)
    if current is not None:
        current.save(update_fields=["expires_at"])


def _names(api_key: ApiKey) -> list[str]:
    details = [name for name in DETAILS if getattr(api_key, name)]
    return [*details, *api_key.config, *api_key.secrets]


class _name_taken_is_an_error:
    """Two people took the same name at the same moment: the database tells, the form shows it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError) and "name_key" in str(error):
            raise ValidationError({"name": NAME_TAKEN}) from None
