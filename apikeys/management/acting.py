"""One act on one API key that is named on the command line."""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apikeys import services
from apikeys.models import ApiKey

from .reading import told

UNKNOWN = "No API key has this name. list_api_keys lists them all."
MOVED_ON = "Somebody else changed this key at the same moment. Nothing was done: run it again."


def act_on(name: str, act: Callable[[ApiKey], str]) -> str:
    """Return what ``act`` says it has done, below what there is to note about the key.

    Raises ``CommandError`` where there is no such key, and where the act is refused.
    """
    api_key = ApiKey.objects.with_versions().named(name).first()
    if api_key is None:
        raise CommandError(UNKNOWN)
    try:
        done = act(api_key)
    except ValidationError as error:
        raise CommandError(told(error)) from None
    except services.Conflict:
        raise CommandError(MOVED_ON) from None
    return "\n".join([*api_key.notes, done])
