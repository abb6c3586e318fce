"""Create and edit API keys."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import ApiKey, CredentialVersion, Event
from apikeys.models.api_key import NAME_TAKEN
from apikeys.sealing import CannotOpen, Secrets

DETAILS = ("name", "environment", "team", "description")


class Conflict(Exception):
    """Somebody else changed the thing since it was looked at."""


def create_api_key(api_key: ApiKey, *, by: Actor) -> ApiKey:
    """Seal ``api_key.secrets`` and save the key. Raises ``ValidationError``."""
    api_key.full_clean()
    api_key.created_by = by.name
    version = CredentialVersion.seal(
        api_key, api_key.secrets, origins=api_key.origins(), by=by.name
    )
    _note_twins(api_key, version)
    with _name_taken_is_an_error(), transaction.atomic():
        api_key.save(force_insert=True)
        version.save(force_insert=True)
        ApiKey.objects.filter(pk=api_key.pk).update(current=version)
        Event.record(by, "created", api_key, fields=_names(api_key))
    api_key.current = version
    api_key.secrets = Secrets()
    return api_key


def update_api_key(
    api_key: ApiKey, *, by: Actor, rev: int, remove: Collection[str] = ()
) -> list[str]:
    """Save what differs from the stored row and return the names of what changed.

    Secrets that were not typed are kept, those in ``remove`` are dropped. Raises
    ``ValidationError``, and ``Conflict`` where the row is no longer at ``rev``.
    """
    if not ApiKey.objects.filter(pk=api_key.pk, rev=rev).exists():
        raise Conflict
    api_key.full_clean()
    _keep_required(api_key, remove)
    with _name_taken_is_an_error(), transaction.atomic():
        stored = ApiKey.objects.with_details().filter(pk=api_key.pk, rev=rev).first()
        if stored is None:
            raise Conflict
        if stored.scheme_id != api_key.scheme_id:
            raise ValidationError(
                {"scheme": "A key keeps its method. Create another key for this one."}
            )
        changed = [name for name in DETAILS if getattr(api_key, name) != getattr(stored, name)]
        changed += [
            spec.name
            for spec in api_key.scheme.config_specs
            if api_key.config.get(spec.name) != stored.config.get(spec.name)
        ]
        version, changed_parts = _next_version(api_key, stored, remove=remove, by=by)
        changed += changed_parts
        if not changed and version is None:
            return []
        _swap(api_key, rev=rev, version=version, credentials_changed=bool(changed_parts))
        if version is not None and stored.current is not None:
            stored.current.destroy()
        Event.record(by, "edited", api_key, fields=changed)
    api_key.secrets = Secrets()
    return changed


def _next_version(
    api_key: ApiKey, stored: ApiKey, *, remove: Collection[str], by: Actor
) -> tuple[CredentialVersion | None, list[str]]:
    """Return the version to save, if one is needed, and the names of the secrets that changed."""
    origins = api_key.origins()
    moves = not origins <= stored.origins()
    if not (api_key.secrets or remove or moves):
        return None, []
    before = _open(stored, typed=api_key.secrets, towards=() if moves else origins)
    kept = {} if moves else {name: value for name, value in before.items() if name not in remove}
    after = {**kept, **api_key.secrets}
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    if not changed and not moves:
        api_key.notes.append(
            "The credentials are the same as those stored: they were left as they are."
        )
        return None, []
    version = CredentialVersion.seal(api_key, after, origins=origins, by=by.name)
    _note_twins(api_key, version)
    return version, changed


def _keep_required(api_key: ApiKey, remove: Collection[str]) -> None:
    required = [spec for spec in api_key.scheme.secret_specs if spec.required]
    if refused := [spec for spec in required if spec.name in remove]:
        raise ValidationError(
            {spec.name: f"{spec.label} is required: replace it instead." for spec in refused}
        )


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


def _swap(
    api_key: ApiKey, *, rev: int, version: CredentialVersion | None, credentials_changed: bool
) -> None:
    """Write the row, if it is still at ``rev``: one compare-and-swap UPDATE."""
    values = {name: getattr(api_key, name) for name in (*DETAILS, "name_key", "config")}
    if version is not None:
        version.save(force_insert=True)
        values["current"] = version
    if credentials_changed:
        values["credentials_changed_at"] = timezone.now()
    if not ApiKey.objects.filter(pk=api_key.pk, rev=rev).update(**values, rev=F("rev") + 1):
        raise Conflict
    api_key.refresh_from_db()


def _note_twins(api_key: ApiKey, version: CredentialVersion) -> None:
    """Say so where the same credentials are stored under another name."""
    if not version.fingerprint:
        return
    twins = ApiKey.objects.filter(current__fingerprint=version.fingerprint).exclude(pk=api_key.pk)
    for twin in twins.order_by("name_key")[:3]:
        api_key.notes.append(f"The same credentials are also stored as “{twin.name}”.")


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
