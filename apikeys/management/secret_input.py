"""Read credentials from stdin, a file or a prompt."""

import json
import sys
from getpass import getpass
from pathlib import Path
from typing import NamedTuple

from django.core.management.base import CommandError

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.pasted_text import divide
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
        for spec in specs:
            if spec.is_document and spec.required:
                raise CommandError(f"{spec.label} has several lines. Use --from-file.")
        typed = {
            spec.name: getpass(f"{spec.label}{'' if spec.required else ' (optional)'}: ")
            for spec in specs
            if not spec.is_document
        }
        return Given(Secrets({name: value for name, value in typed.items() if value}), [])
    try:
        text = (path.read_bytes() if path else sys.stdin.buffer.read()).decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--from-file: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError("The credentials are not UTF-8 text.") from None
    if not text.strip():
        raise CommandError(f"{NO_SECRET}: {'the file' if path else 'stdin'} is empty.")
    return _parse(text, specs)


def _parse(text: str, specs: list[FieldSpec]) -> Given:
    """Read the one required secret as plain text, or any of them from a JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    names = [spec.name for spec in specs]
    if isinstance(document, dict) and document.keys() <= set(names):
        # Null removes a secret. An empty value is more likely a variable that is not set.
        texts = {name: value for name, value in document.items() if isinstance(value, str)}
        if empty := [name for name, value in texts.items() if not value.strip()]:
            hint = "omit it to keep the stored value, or pass null to remove it"
            raise CommandError(f"{NO_SECRET} for {', '.join(empty)}: {hint}.")
        typed = {name: value for name, value in document.items() if value is not None}
        return Given(Secrets(typed), [name for name in document if name not in typed])
    alone = specs if len(specs) == 1 else [spec for spec in specs if spec.required]
    if len(alone) == 1 and (alone[0].is_document or not isinstance(document, dict)):
        return Given(Secrets({alone[0].name: text.rstrip("\r\n")}), [])
    if found := divide(text, specs):
        return Given(Secrets(found), [])
    raise CommandError(f"Give a JSON object with one or more of: {', '.join(names)}.")
