"""Credentials arrive by copy and paste: take off what clings to them, refuse what cannot be one.

No message ever repeats any part of the value.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError

MAX_LENGTH = 8 * 1024  # characters of a one-line credential
MAX_DOCUMENT = 64 * 1024  # characters of a JSON or PEM file

_ASSIGNMENT = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(?=\S)")
_CREDENTIAL_NAME = re.compile(r"[A-Z][A-Z0-9_]*_(KEY|TOKEN|SECRET|PASSWORD|PAT|ID)")
_BEARER = re.compile(r"(?:authorization\s*:\s*)?bearer\s+", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}
_MASK = re.compile(r"…|\.\.\.|[•●*]{3,}|^[xX]{8,}$")


def clean_credential(
    text: str, label: str, notes: list[str], *, env: tuple[str, ...] = (), document: bool = False
) -> str:
    """Return the credential in ``text``. ``env`` names its usual environment variables."""
    if len(text) > (MAX_DOCUMENT if document else MAX_LENGTH):
        raise ValidationError(f"This is too long for {label}. Check what was pasted.")
    value = _unwrap(text, label, notes, env)
    if not value:
        return ""
    if not document and _MASK.search(value):
        raise ValidationError(
            "This is a mask that stands for the credential. Paste the credential itself."
        )
    _refuse_characters(value, document)
    return value


def _unwrap(text: str, label: str, notes: list[str], env: tuple[str, ...]) -> str:
    """Take off wrappings, from the outside in, until none is left."""
    removed: list[str] = []
    value = text.replace("\r\n", "\n")
    while True:
        stripped = value.strip(" \t\r\n\v\f\u00a0")
        if stripped != value and stripped:
            removed.append("white space")
        bare, wrapping = _take_off_one(stripped, env)
        if not wrapping:
            break
        removed.append(wrapping)
        value = bare
    if removed:
        notes.append(f"{label}: removed {', '.join(dict.fromkeys(removed))} around it.")
    return stripped


def _take_off_one(value: str, env: tuple[str, ...]) -> tuple[str, str]:
    if len(value) >= 2 and _QUOTES.get(value[0]) == value[-1]:
        return value[1:-1], "quotes"
    if match := _BEARER.match(value):
        return value[match.end() :], "“Bearer”"
    match = _ASSIGNMENT.match(value)
    if match and (match[1] in env or _CREDENTIAL_NAME.fullmatch(match[1])):
        return value[match.end() :], f"“{match[1]}=”"
    return value, ""


def _refuse_characters(value: str, document: bool) -> None:
    """Refuse what an HTTP header cannot carry; an HTTP client would repeat it in its error text."""
    for character in value:
        if document and character in "\n\t ":
            continue
        if character.isspace():
            raise ValidationError("There is white space inside it. Paste it again, in one piece.")
        category = unicodedata.category(character)
        if category == "Cf":
            raise ValidationError(
                "There is an invisible (zero-width) character in it. Copy it again from the source."
            )
        if category.startswith("C"):
            raise ValidationError(
                "There is a control character in it. Copy it again from the source."
            )
        if not character.isascii():
            raise ValidationError(
                "There is a character in it that no credential has (not ASCII). Copy it again."
            )
