"""Actions on one API key that is named on the command line."""

from collections.abc import Callable, Iterator, Mapping

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apikeys.models import ApiKey
from gatewayproject.console.command_output import error_lines
from gatewayproject.console.conflict import Conflict

UNKNOWN = "No API key has this name. Run list_api_keys to see all names."
MOVED_ON = "Someone else changed this key at the same time."

Action = Callable[[ApiKey], str]


def run_actions(name: str, actions: Mapping[str, Action]) -> Iterator[str]:
    """Run ``actions`` in turn, and yield what each returns.

    The key is loaded once, so a concurrent change between two actions is a conflict. Raises
    ``CommandError`` if there is no such key, and if an action is refused.
    """
    api_key = ApiKey.objects.with_versions().named(name).first()
    if api_key is None:
        raise CommandError(UNKNOWN)
    done: list[str] = []
    for action, run in actions.items():
        try:
            message = run(api_key)
        except ValidationError as error:
            raise CommandError(error_lines(error)) from None
        except Conflict:
            left = ", ".join(name for name in actions if name not in done)
            nothing = "Nothing was done. Run the command again."
            progress = f"Done: {', '.join(done)}. Not done: {left}." if done else nothing
            raise CommandError(f"{MOVED_ON} {progress}") from None
        done.append(action)
        yield message
