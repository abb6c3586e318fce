"""What a test sends before anything is saved."""

from collections.abc import Collection

from django.core.exceptions import ValidationError

from apikeys.models import ApiKey
from apikeys.sealing import CannotOpen, Secrets


def secrets_to_test(api_key: ApiKey, *, remove: Collection[str] = ()) -> Secrets:
    """Return the credentials as saving would leave them: what was typed, and the rest as stored.

    ``api_key`` has been cleaned. Nothing stored is used where the key would go somewhere new.
    Raises ``ValidationError`` where something stored is needed and does not open.
    """
    typed = api_key.secrets
    stored = ApiKey.objects.with_details().filter(pk=api_key.pk).first()
    if stored is None or stored.current is None or api_key.moves_elsewhere():
        return typed
    kept = set(stored.stored_parts()) - set(typed) - set(remove)
    if not kept:
        return typed
    try:
        before = stored.current.open_for(stored, towards=api_key.origins())
    except CannotOpen as error:
        missing = [spec.name for spec in api_key.scheme.secret_specs if spec.name in kept]
        words = f"{error} Enter all credentials again."
        raise ValidationError(dict.fromkeys(missing, words)) from None
    return Secrets({name: before[name] for name in kept & before.keys()} | typed)
