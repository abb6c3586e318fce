"""Create an API key from a script or a terminal. The credentials come on stdin or from a file."""

import json
import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.actors import Actor
from apikeys.catalogue.fields import FieldSpec
from apikeys.models import ApiKey, AuthScheme, Environment, Provider
from apikeys.sealing import Secrets
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
            api_key.secrets = _secrets(api_key.scheme, options["from_file"])
            if dry_run:
                api_key.full_clean()
            else:
                create_api_key(api_key, by=Actor.at_the_console())
        except ValidationError as error:
            raise CommandError(_told(error)) from None
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


def _secrets(scheme: AuthScheme, path: Path | None) -> Secrets:
    specs = scheme.secret_specs
    if not specs:
        return Secrets()
    if path is None and sys.stdin.isatty():
        return _ask_for(specs)
    try:
        text = (path.read_bytes() if path else sys.stdin.buffer.read()).decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--from-file: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError("The credentials are not text in UTF-8.") from None
    return _parse(text, specs)


def _ask_for(specs: list[FieldSpec]) -> Secrets:
    for spec in specs:
        if spec.is_document and spec.required:
            raise CommandError(f"{spec.label} has several lines: use --from-file.")
    lines = [spec for spec in specs if not spec.is_document]
    typed = {
        spec.name: getpass(f"{spec.label}{'' if spec.required else ' (optional)'}: ")
        for spec in lines
    }
    return Secrets({name: value for name, value in typed.items() if value})


def _parse(text: str, specs: list[FieldSpec]) -> Secrets:
    """Read the one secret that is needed as it stands, or any of them from a JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    names = [spec.name for spec in specs]
    if isinstance(document, dict) and document and document.keys() <= set(names):
        return Secrets(document)
    alone = specs if len(specs) == 1 else [spec for spec in specs if spec.required]
    if len(alone) == 1 and (alone[0].is_document or not isinstance(document, dict)):
        return Secrets({alone[0].name: text.rstrip("\r\n")})
    raise CommandError(f"Give a JSON object with one or more of: {', '.join(names)}.")


def _told(error: ValidationError) -> str:
    """One line for each thing that is wrong, with the field that it is about."""
    errors = error.update_error_dict({})
    lines = []
    for name, messages in errors.items():
        about = "" if name == NON_FIELD_ERRORS else f"{name}: "
        lines += [f"{about}{message}" for message in ValidationError(messages).messages]
    return "\n".join(lines)
