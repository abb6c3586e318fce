"""Acts on one API key that is named on the command line."""

from collections.abc import Callable, Iterator, Mapping

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apikeys import services
from apikeys.models import ApiKey

from .reading import told

UNKNOWN = "No API key has this name. list_api_keys lists them all."
MOVED_ON = "Somebody else changed this key at the same moment."

Act = Callable[[ApiKey], str]


def act_on(name: str, acts: Mapping[str, Act]) -> Iterator[str]:
    """Do ``acts`` in turn, and yield what each says it has done, below its notes.

    The key is looked at once, and each act leaves it as it made it: what somebody else does
    between two acts is a conflict. Raises ``CommandError`` where there is no such key, and where
    an act is refused.
    """
    api_key = ApiKey.objects.with_versions().named(name).first()
    if api_key is None:
        raise CommandError(UNKNOWN)
    for act in acts:
        api_key.notes = []
        try:
            done = acts[act](api_key)
        except ValidationError as error:
            raise CommandError(told(error)) from None
        except services.Conflict:
            raise CommandError(f"{MOVED_ON} {_how_far(act, list(acts))}") from None
        yield "\n".join([*api_key.notes, done])


def _how_far(act: str, acts: list[str]) -> str:
    number = acts.index(act)
    if not number:
        return "Nothing was done: run it again."
    return f"Done: {', '.join(acts[:number])}. Not done: {', '.join(acts[number:])}."
