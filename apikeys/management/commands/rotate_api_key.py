"""Rotate an API key from a script or a terminal. New credentials come on stdin or from a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.management.acting import act_on
from apikeys.management.reading import read_secrets
from apikeys.models import ApiKey

ROLL_BACK_ALONE = "--roll-back goes with no other act."


class Command(BaseCommand):
    help = (
        "Put new credentials into use at once, or stage, test and promote them. They are read from "
        "stdin, asked for on a terminal, or taken from a file, never from an argument; where a "
        'method has several, as JSON: {"field": "value"}; what is left out is kept. --stage, '
        "--test and --promote go together: what is staged is promoted if the test is passed. "
        "The exit status is 0 where all was done, and 1 where something was refused."
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
            "--compromised", action="store_true", help="Destroy the old ones at once."
        )

    def handle(self, *, name: str, **options: Any) -> None:
        self.by, self.options = Actor.at_the_console(), options
        chosen = [act for act in ("stage", "test", "promote", "roll_back") if options[act]]
        if "roll_back" in chosen and len(chosen) > 1:
            raise CommandError(ROLL_BACK_ALONE)
        for act in chosen or ["replace"]:
            self.stdout.write(act_on(name, getattr(self, f"_{act}")))

    def _replace(self, api_key: ApiKey) -> str:
        api_key.secrets = read_secrets(api_key.scheme, self.options["from_file"])
        compromised = self.options["compromised"]
        changed = services.update_api_key(
            api_key, by=self.by, rev=api_key.rev, compromised=compromised
        )
        return f"{'Rotated' if changed else 'Nothing was changed in'} {api_key.name}."

    def _stage(self, api_key: ApiKey) -> str:
        api_key.secrets = read_secrets(api_key.scheme, self.options["from_file"])
        services.stage_credentials(api_key, by=self.by, rev=api_key.rev)
        return f"Staged new credentials for {api_key.name}."

    def _test(self, api_key: ApiKey) -> str:
        slot = "pending" if api_key.pending else "current"
        result = services.check_credentials(api_key, by=self.by, rev=api_key.rev, slot=slot)
        if not result.passed:
            raise CommandError(f"The {slot} credentials passed no test. {result.message}")
        return f"The {slot} credentials passed the test. {result.message}"

    def _promote(self, api_key: ApiKey) -> str:
        if not (self.options["untested"] or (api_key.pending and api_key.pending.has_passed)):
            raise CommandError("No test was passed: add --test, or --untested to promote anyway.")
        services.promote_credentials(
            api_key,
            by=self.by,
            rev=api_key.rev,
            confirmation=api_key.name,
            compromised=self.options["compromised"],
        )
        return f"Promoted: {api_key.name} uses the new credentials."

    def _roll_back(self, api_key: ApiKey) -> str:
        services.roll_back_credentials(api_key, by=self.by, rev=api_key.rev)
        return f"Rolled back: {api_key.name} uses the previous credentials again."
