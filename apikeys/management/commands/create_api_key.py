"""Create an API key from a script or a terminal. The credentials come on stdin or from a file."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.actors import Actor
from apikeys.management.reading import read_secrets, told
from apikeys.models import ApiKey, AuthScheme, Environment, Provider
from apikeys.services import create_api_key


class Command(BaseCommand):
    help = (
        "Create an API key. The secret is read from stdin, asked for on a terminal, or taken from "
        'a file; where a method has several, as JSON: {"field": "value"}. Never from an argument.'
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
        parser.add_argument("--dry-run", action="store_true", help="Check, and create nothing.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        api_key = ApiKey(
            scheme=_scheme(options["provider"], options["scheme"]),
            **{name: options[name] for name in ("name", "environment", "team", "description")},
        )
        try:
            api_key.config = _config(options["pairs"], api_key.scheme)
            api_key.secrets = read_secrets(api_key.scheme, options["from_file"]).secrets
            if dry_run:
                api_key.full_clean()
            else:
                create_api_key(api_key, by=Actor.at_the_console())
        except ValidationError as error:
            raise CommandError(told(error)) from None
        for note in api_key.notes:
            self.stdout.write(note)
        self.stdout.write(f"{'Would create' if dry_run else 'Created'} {api_key.name}.")


def _scheme(provider_slug: str, scheme_slug: str) -> AuthScheme:
    provider = Provider.objects.filter(slug=provider_slug).first()
    if provider is None:
        raise CommandError("--provider: no provider has this slug. The admin lists them all.")
    schemes = {scheme.slug: scheme for scheme in provider.schemes.all()}
    if not schemes or (scheme_slug and scheme_slug not in schemes):
        raise CommandError(f"--scheme: {provider} has {', '.join(schemes) or 'no method yet'}.")
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
