"""The credentials that a test sends before they are saved."""

from collections.abc import Collection

from django.core.exceptions import ValidationError

from apikeys.models import CheckedDraft
from apikeys.sealing import CannotOpen, Secrets


def secrets_to_test(draft: CheckedDraft, *, remove: Collection[str] = ()) -> Secrets:
    """Return the credentials as they would be saved: those entered, and the rest as stored.

    Stored ones are not used if the key would be sent elsewhere. Raises ``ValidationError`` if
    stored ones are needed but cannot be decrypted.
    """
    typed, stored = draft.secrets, draft.stored
    if stored is None or stored.current is None or draft.moves_elsewhere:
        return typed
    kept = set(stored.stored_parts()) - set(typed) - set(remove)
    if not kept:
        return typed
    try:
        before = stored.current.open_for(stored, towards=draft.row().origins())
    except CannotOpen as error:
        missing = [spec.name for spec in stored.scheme.secret_specs if spec.name in kept]
        message = f"{error} Enter all credentials again."
        raise ValidationError(dict.fromkeys(missing, message)) from None
    return Secrets({name: before[name] for name in kept & before.keys()} | typed)
