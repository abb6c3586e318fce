"""Rotate an API key from a script or a terminal. New credentials come on stdin or from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.management.acting import act_on
from apikeys.management.ending import DONE_IN_PART, STILL_IN_THE_FILES
from apikeys.management.reading import NO_SECRET, read_secrets
from apikeys.models import ApiKey
from apikeys.services.rotation import NOTHING_STORED
from apikeys.services.versions import SAME

ACTS = ("stage", "test", "promote", "roll_back")
OPTIONS = (*ACTS, "from_file", "untested", "compromised")


class Command(BaseCommand):
    help = (
        "Put new credentials into use at once, or stage, test and promote them. They are read from "
        "stdin, asked for on a terminal, or taken from a file, never from an argument; where a "
        'method has several, as JSON: {"field": "value"}; what is left out is kept, and null '
        "removes what is stored: a pair of permanent AWS keys in place of session credentials is "
        '{"aws_access_key_id": "AKIA…", "aws_secret_access_key": "…", "aws_session_token": null}. '
        "--stage, --test and --promote go together: what is staged is promoted if the test is "
        "passed. The exit status is 0 where all was done, 1 where something was refused, and 3 "
        "where it was done and the old credentials are still in SQLite's files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--from-file", type=Path, metavar="PATH")
        parser.add_argument("--stage", action="store_true", help="Keep them pending.")
        parser.add_argument(
            "--test", action="store_true", help="Ask the provider about the pending ones, or else "
            "about those in use."
        )  # fmt: skip
        parser.add_argument("--promote", action="store_true", help="Put the pending ones into use.")
        parser.add_argument(
            "--untested", action="store_true", help="Promote without a test that was passed."
        )
        parser.add_argument("--roll-back", action="store_true", help="Use the previous ones again.")
        parser.add_argument(
            "--compromised", action="store_true", help="Destroy those in use until now at once."
        )

    def handle(self, *, name: str, **options: Any) -> None:
        self.by, self.options = Actor.at_the_console(), options
        for reason in _nonsense({option for option in OPTIONS if options[option]}):
            raise CommandError(reason)
        chosen = [act for act in ACTS if options[act]] or ["replace"]
        acts = {act.replace("_", "-"): getattr(self, f"_{act}") for act in chosen}
        try:
            for line in act_on(name, acts):
                self.stdout.write(line)
        except CommandError as error:
            if not _is_erased():
                told = f"{error}\n{STILL_IN_THE_FILES}"
                raise CommandError(told, returncode=error.returncode) from None
            raise
        if not _is_erased():
            raise CommandError(STILL_IN_THE_FILES, returncode=DONE_IN_PART)

    def _replace(self, api_key: ApiKey) -> str:
        removed = self._read(api_key)
        changed = services.update_api_key(
            api_key, by=self.by, rev=api_key.rev, remove=removed, **self._compromised()
        )
        if not changed and SAME not in api_key.notes:
            raise CommandError(f"{NO_SECRET}: nothing was changed in {api_key.name}.")
        return f"{'Rotated' if changed else 'Nothing was changed in'} {api_key.name}."

    def _stage(self, api_key: ApiKey) -> str:
        removed = self._read(api_key)
        api_key.pending = services.stage_credentials(
            api_key, by=self.by, rev=api_key.rev, remove=removed
        )
        api_key.rev += 1  # staging is one step; of any other, the next act is told
        return f"Staged new credentials for {api_key.name}."

    def _read(self, api_key: ApiKey) -> list[str]:
        if not api_key.scheme.secret_specs:
            raise CommandError(NOTHING_STORED)
        api_key.secrets, removed = read_secrets(api_key.scheme, self.options["from_file"])
        return removed

    def _test(self, api_key: ApiKey) -> str:
        slot = "pending" if api_key.pending or self.options["promote"] else "current"
        result = services.check_credentials(api_key, by=self.by, rev=api_key.rev, slot=slot)
        if not result.passed:
            raise CommandError(f"The {slot} credentials passed no test. {result.message}")
        return f"The {slot} credentials passed the test. {result.message}"

    def _promote(self, api_key: ApiKey) -> str:
        untested = self.options["untested"]
        has_passed = self.options["test"] or (api_key.pending and api_key.pending.has_passed)
        if not (untested or has_passed):
            raise CommandError("No test was passed: add --test, or --untested to promote anyway.")
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
    """Yield why what was given does not go together: half of it would silently not be done."""
    if "roll_back" in given and given - {"roll_back", "compromised"}:
        yield "--roll-back goes with no other act, and with no option but --compromised."
    if "from_file" in given and given & set(ACTS) and "stage" not in given:
        yield "--from-file brings new credentials: it goes with --stage, or with no act."
    if "untested" in given and ("promote" not in given or "test" in given):
        yield "--untested goes with --promote, and without --test."
    if {"stage", "promote"} <= given and not given & {"test", "untested"}:
        yield "What is staged has passed no test: add --test, or --untested to promote it anyway."
    if "compromised" in given and given & {"stage", "test"} and "promote" not in given:
        yield "--compromised goes with what takes credentials out of use, and this does not."


def _is_erased() -> bool:
    """Whether nothing that was destroyed is still in SQLite's files."""
    return services.settle_erasing() or services.finish_erasing()
