"""Rotate an API key from a script or a terminal. New credentials come on stdin or from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.management.key_actions import run_actions
from apikeys.management.secret_input import NO_SECRET, read_secrets
from apikeys.models import ApiKey, CheckedDraft, KeyDraft
from apikeys.services.rotation import NOTHING_STORED
from apikeys.services.sqlite_wal import STILL_IN_THE_FILES, finish_erasing, settle_erasing
from apikeys.services.versions import SAME
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import DONE_IN_PART

ACTIONS = ("stage", "test", "promote", "roll_back")
OPTIONS = (*ACTIONS, "from_file", "untested", "compromised")


class Command(BaseCommand):
    help = (
        "Replace the credentials of an API key at once, or stage, test and promote new ones. "
        "Credentials come from stdin, a prompt or a file, never from an argument. If the method "
        'has several fields, pass JSON: {"field": "value"}. Omitted fields keep their value, and '
        "null removes one. To replace AWS session credentials with permanent keys: "
        '{"aws_access_key_id": "AKIA…", "aws_secret_access_key": "…", "aws_session_token": null}. '
        "With --stage --test --promote, the new credentials are promoted only if they pass the "
        "test. Exit status: 0 done, 1 refused, 3 done, but the old credentials are still in "
        "SQLite's files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--from-file", type=Path, metavar="PATH")
        parser.add_argument("--stage", action="store_true", help="Save them as pending.")
        parser.add_argument(
            "--test",
            action="store_true",
            help="Test the pending credentials, or the current ones if none are pending.",
        )
        parser.add_argument(
            "--promote", action="store_true", help="Make the pending credentials current."
        )
        parser.add_argument(
            "--untested", action="store_true", help="Promote without a passing test."
        )
        parser.add_argument(
            "--roll-back", action="store_true", help="Use the previous credentials again."
        )
        parser.add_argument(
            "--anyway", action="store_true", help="Accept a key that looks like another provider's."
        )
        parser.add_argument(
            "--compromised", action="store_true", help="Destroy the replaced credentials at once."
        )

    def handle(self, *, name: str, **options: Any) -> None:
        self.by, self.options = Actor.at_the_console(), options
        for reason in _nonsense({option for option in OPTIONS if options[option]}):
            raise CommandError(reason)
        chosen = [action for action in ACTIONS if options[action]] or ["replace"]
        actions = {name.replace("_", "-"): getattr(self, f"_{name}") for name in chosen}
        try:
            for line in run_actions(name, actions):
                self.stdout.write(line)
        except CommandError as error:
            if not _is_erased():
                message = f"{error}\n{STILL_IN_THE_FILES}"
                raise CommandError(message, returncode=error.returncode) from None
            raise
        if not _is_erased():
            raise CommandError(STILL_IN_THE_FILES, returncode=DONE_IN_PART)

    def _replace(self, api_key: ApiKey) -> str:
        draft, removed = self._read(api_key)
        _, changed, notes = services.update_api_key(
            draft, by=self.by, rev=api_key.rev, remove=removed, **self._compromised()
        )
        if not changed and SAME not in notes:
            raise CommandError(f"{NO_SECRET}: nothing was changed in {api_key.name}.")
        done = f"{'Rotated' if changed else 'Nothing was changed in'} {api_key.name}."
        return "\n".join([*notes, done])

    def _stage(self, api_key: ApiKey) -> str:
        draft, removed = self._read(api_key)
        api_key.pending, notes = services.stage_credentials(
            draft, by=self.by, rev=api_key.rev, remove=removed
        )
        api_key.rev += 1  # staging is one change; any other must be a conflict
        return "\n".join([*notes, f"Staged new credentials for {api_key.name}."])

    def _read(self, api_key: ApiKey) -> tuple[CheckedDraft, list[str]]:
        if why := api_key.scheme.malformed_because():
            raise CommandError(why)
        if not api_key.scheme.secret_specs:
            raise CommandError(NOTHING_STORED)
        secrets, removed = read_secrets(api_key.scheme, self.options["from_file"])
        draft = KeyDraft.of(api_key, secrets=secrets, anyway=self.options["anyway"])
        return draft.check(), removed

    def _test(self, api_key: ApiKey) -> str:
        slot = "pending" if api_key.pending or self.options["promote"] else "current"
        result = services.run_credential_test(api_key, by=self.by, rev=api_key.rev, slot=slot)
        if not result.passed:
            raise CommandError(f"The {slot} credentials did not pass the test. {result.message}")
        return f"The {slot} credentials passed the test. {result.message}"

    def _promote(self, api_key: ApiKey) -> str:
        untested = self.options["untested"]
        has_passed = self.options["test"] or (api_key.pending and api_key.pending.has_passed)
        if not (untested or has_passed):
            raise CommandError(
                "There is no passing test. Add --test, or --untested to promote anyway."
            )
        services.promote_credentials(
            api_key,
            by=self.by,
            rev=api_key.rev,
            confirmation=api_key.name if untested else "",
            **self._compromised(),
        )
        return f"Promoted: {api_key.name} uses the new credentials."

    def _roll_back(self, api_key: ApiKey) -> str:
        services.roll_back_credentials(api_key, by=self.by, rev=api_key.rev, **self._compromised())
        return f"Rolled back: {api_key.name} uses the previous credentials again."

    def _compromised(self) -> dict[str, bool]:
        return {"compromised": self.options["compromised"]}


def _nonsense(given: set[str]) -> Iterator[str]:
    """Yield why the given options cannot be combined: some would silently have no effect."""
    if "roll_back" in given and given - {"roll_back", "compromised"}:
        yield "--roll-back cannot be combined with other options except --compromised."
    if "from_file" in given and given & set(ACTIONS) and "stage" not in given:
        yield "--from-file supplies new credentials. Use it with --stage or alone."
    if "untested" in given and ("promote" not in given or "test" in given):
        yield "--untested requires --promote and excludes --test."
    if {"stage", "promote"} <= given and not given & {"test", "untested"}:
        yield "--stage --promote: add --test, or --untested to promote without a passing test."
    if "compromised" in given and given & {"stage", "test"} and "promote" not in given:
        yield "--compromised requires an action that replaces credentials."


def _is_erased() -> bool:
    """Whether nothing that was destroyed is still in SQLite's files."""
    return settle_erasing() or finish_erasing()
