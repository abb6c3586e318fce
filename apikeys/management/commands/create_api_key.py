"""Create an API key from a script or a terminal. The credentials come on stdin or from a file."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.management.secret_input import read_secrets
from apikeys.models import AuthScheme, Environment, KeyDraft, Provider
from apikeys.services import create_api_key
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import error_lines


class Command(BaseCommand):
    help = (
        "Create an API key. The secret comes from stdin, a prompt or a file, never from an "
        'argument. If the authentication method has several fields, pass JSON: {"field": "value"}.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--provider", required=True, metavar="SLUG", help="Such as openai.")
        parser.add_argument("--scheme", default="", metavar="SLUG", help="Default: the first.")
        parser.add_argument(
            "--set", action="append", default=[], metavar="FIELD=VALUE", dest="pairs"
        )
        parser.add_argument("--from-file", type=Path, metavar="PATH")
        parser.add_argument(
            "--environment", choices=Environment.values, default=Environment.PRODUCTION
        )
        parser.add_argument("--team", default="")
        parser.add_argument("--description", default="")
        parser.add_argument(
            "--anyway", action="store_true", help="Accept a key that looks like another provider's."
        )
        parser.add_argument("--dry-run", action="store_true", help="Validate only; create nothing.")

    def handle(self, *, dry_run: bool, anyway: bool, **options: Any) -> None:
        scheme = _scheme(options["provider"], options["scheme"])
        details = {name: options[name] for name in ("name", "environment", "team", "description")}
        config = _config(options["pairs"], scheme)
        secrets = read_secrets(scheme, options["from_file"]).secrets
        draft = KeyDraft(scheme, details, config, secrets, anyway).check()
        try:
            if dry_run:
                api_key, notes = draft.valid_row(), draft.notes
            else:
                api_key, _, notes = create_api_key(draft, by=Actor.at_the_console())
        except ValidationError as error:
            raise CommandError(error_lines(error)) from None
        for note in notes:
            self.stdout.write(note)
        self.stdout.write(f"{'Would create' if dry_run else 'Created'} {api_key.name}.")


def _scheme(provider_slug: str, scheme_slug: str) -> AuthScheme:
    provider = Provider.objects.filter(slug=provider_slug).first()
    if provider is None:
        raise CommandError("--provider: no provider has this slug. See /admin/ for the list.")
    schemes = {scheme.slug: scheme for scheme in provider.schemes.all()}
    if not schemes or (scheme_slug and scheme_slug not in schemes):
        raise CommandError(
            f"--scheme: {provider} has {', '.join(schemes) or 'no authentication method'}."
        )
    return schemes[scheme_slug] if scheme_slug else next(iter(schemes.values()))


def _config(pairs: list[str], scheme: AuthScheme) -> dict[str, str]:
    """Read ``field=value`` pairs. What is refused is not repeated: it may be a secret."""
    known = {spec.name for spec in scheme.config_specs}
    config = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            fields = ", ".join(sorted(known)) or "none"
            raise CommandError(
                f"--set takes FIELD=VALUE. The fields of {scheme} are: {fields}. "
                "Secret ones are read from stdin or --from-file."
            )
        config[name] = value
    return config
