"""What commands have in common: credentials come in on stdin or from a file, errors go out."""

import json
import sys
from getpass import getpass
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import CommandError

from apikeys.catalogue.fields import FieldSpec
from apikeys.models import AuthScheme
from apikeys.sealing import Secrets

NO_SECRET = "No secret was read"


class Given(NamedTuple):
    """What was read: secrets, and the names of those to remove."""

    secrets: Secrets
    removed: list[str]


def read_secrets(scheme: AuthScheme, path: Path | None) -> Given:
    """Read the secrets of ``scheme`` from a file, from stdin, or by asking on a terminal."""
    specs = scheme.secret_specs
    if not specs:
        return Given(Secrets(), [])
    if path is None and sys.stdin.isatty():
        return Given(_ask_for(specs), [])
    try:
        text = (path.read_bytes() if path else sys.stdin.buffer.read()).decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--from-file: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError("The credentials are not text in UTF-8.") from None
    if not text.strip():
        raise CommandError(f"{NO_SECRET}: {'the file' if path else 'stdin'} is empty.")
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


def _parse(text: str, specs: list[FieldSpec]) -> Given:
    """Read the one secret that is needed as it stands, or any of them from a JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    names = [spec.name for spec in specs]
    if isinstance(document, dict) and document.keys() <= set(names):
        return _given_by_name(document)
    alone = specs if len(specs) == 1 else [spec for spec in specs if spec.required]
    if len(alone) == 1 and (alone[0].is_document or not isinstance(document, dict)):
        return Given(Secrets({alone[0].name: text.rstrip("\r\n")}), [])
    raise CommandError(f"Give a JSON object with one or more of: {', '.join(names)}.")


def _given_by_name(document: dict[str, Any]) -> Given:
    """Take null for a removal. An empty value is more likely a variable that nobody has set."""
    empty = [
        name for name, value in document.items() if isinstance(value, str) and not value.strip()
    ]
    if empty:
        told = "leave it out to keep what is stored, or give null to remove it"
        raise CommandError(f"{NO_SECRET} for {', '.join(empty)}: {told}.")
    typed = {name: value for name, value in document.items() if value is not None}
    return Given(Secrets(typed), [name for name in document if name not in typed])


def told(error: ValidationError) -> str:
    """One line for each thing that is wrong, with the field that it is about."""
    errors = error.update_error_dict({})
    lines = []
    for name, messages in errors.items():
        about = "" if name == NON_FIELD_ERRORS else f"{name}: "
        lines += [f"{about}{message}" for message in ValidationError(messages).messages]
    return "\n".join(lines)
