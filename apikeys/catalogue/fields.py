"""One input of an auth scheme, as the catalogue declares it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.core.exceptions import ValidationError

from .formats import FORMATS
from .pasting import clean_credential

KINDS = ("text", "password", "textarea", "url", "key_values")
MAX_CONFIG = 2_000  # characters of a value that is no secret
MAX_LIFETIME = 24 * 366  # hours: what lives longer is not short-lived
EXPECTATION = {"prefix", "field", "warning"}  # what `expects` says
HINT_FROM = 20  # characters: a hint of a shorter secret would give too much of it away
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})\s*:\s*([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)"
)
# Headers that are ours to set, or that would change where or how a request travels.
OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "cookie"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """What a scheme asks for under ``name``. Forms, models, admin and commands all read this."""

    name: str
    label: str
    secret: bool = False
    required: bool = False
    kind: str = "text"
    default: str = ""
    placeholder: str = ""
    help: str = ""
    format: str = ""  # a name in FORMATS
    pattern: str = ""
    strict: bool = False  # refuse what does not fit `pattern`; otherwise note it
    legacy_pattern: str = ""  # an older form, still accepted with a note
    message: str = ""
    strip_suffixes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()  # its usual environment variables
    hint: str = ""  # of a JSON secret: the member whose end serves as hint
    derived_from: str = ""  # "other_field.member": filled in from a JSON secret
    expects: Mapping[str, str] = field(default_factory=dict)
    lifetime_hours: int = 0  # credentials that have it work no longer than this

    @classmethod
    def parse(cls, declaration: Mapping[str, Any]) -> Self:
        """Read a declaration. Raises ``ValidationError`` that says what is wrong with it."""
        known = {item.name for item in fields(cls)}
        if unknown := set(declaration) - known:
            raise ValidationError(f"A field has no setting called {', '.join(sorted(unknown))}.")
        if missing := {"name", "label"} - set(declaration):
            raise ValidationError(f"A field needs {' and '.join(sorted(missing))}.")
        for name, value in declaration.items():
            _check_type(name, value)
        spec = cls(
            **{name: tuple(v) if isinstance(v, list) else v for name, v in declaration.items()}
        )
        spec._check()
        return spec

    def _check(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", str(self.name)):
            raise ValidationError("A field's name has lower-case letters, digits and underscores.")
        if self.kind not in KINDS:
            raise ValidationError(f"{self.name}: kind is one of {', '.join(KINDS)}.")
        if self.format and self.format not in FORMATS:
            raise ValidationError(f"{self.name}: format is one of {', '.join(FORMATS)}.")
        if self.derived_from and not re.fullmatch(r"\w+\.\w+", self.derived_from):
            raise ValidationError(f'{self.name}: derived_from is "field.member".')
        for pattern in (self.pattern, self.legacy_pattern):
            try:
                re.compile(pattern)
            except (re.error, TypeError):
                raise ValidationError(
                    f"{self.name}: the pattern is not a regular expression."
                ) from None

    @property
    def is_document(self) -> bool:
        return self.kind in ("textarea", "key_values")

    def clean(self, raw: str, notes: list[str]) -> str:
        """Return what to keep of what was typed, ``""`` for nothing. Raises ``ValidationError``."""
        if not isinstance(raw, str):
            raise ValidationError("Enter text.")
        value = self._clean_secret(raw, notes) if self.secret else self._clean_config(raw)
        if not value:
            return ""
        if self.kind == "key_values":
            return _clean_headers(value)
        if self.format:
            value = FORMATS[self.format](value, notes)
        for suffix in self.strip_suffixes:
            if value.endswith(suffix):
                value = value.removesuffix(suffix)
                notes.append(
                    f"{self.label}: left out {suffix} at the end; it is added where it is needed."
                )
        return self._fit(value, notes)

    def _clean_secret(self, raw: str, notes: list[str]) -> str:
        return clean_credential(raw, self.label, notes, env=self.env, document=self.is_document)

    def _clean_config(self, raw: str) -> str:
        value = raw.strip()
        if len(value) > MAX_CONFIG:
            raise ValidationError(f"Enter at most {MAX_CONFIG:,} characters.")
        if not value.isprintable():
            raise ValidationError(
                "There is an invisible or control character in it. Type it again."
            )
        return value

    def _fit(self, value: str, notes: list[str]) -> str:
        if not self.pattern or re.fullmatch(self.pattern, value, re.ASCII):
            return value
        if self.legacy_pattern and re.fullmatch(self.legacy_pattern, value, re.ASCII):
            notes.append(
                f"{self.label}: this is an older form; check that the provider still takes it."
            )
        elif self.strict:
            raise ValidationError(self.message or "This value does not have the right form.")
        else:
            notes.append(f"{self.label}: {self.message} Kept as it is.")
        return value

    def hint_of(self, secret: str) -> str:
        """Return the last four characters, or nothing where they would mean or reveal too much."""
        if self.hint:
            secret = member_of(secret, self.hint)
        elif self.is_document:
            return ""
        return secret[-4:] if len(secret) >= HINT_FROM else ""


def _check_type(name: str, value: Any) -> None:
    if name in ("secret", "required", "strict"):
        fits, wanted = isinstance(value, bool), "true or false"
    elif name == "lifetime_hours":
        fits, wanted = type(value) is int and 0 < value <= MAX_LIFETIME, "a number of hours"
    elif name in ("strip_suffixes", "env"):
        fits, wanted = isinstance(value, list) and _all_text(value), "a list of texts"
    elif name == "expects":
        fits = isinstance(value, dict) and _all_text(value.values()) and value.keys() == EXPECTATION
        wanted = f"an object of texts with {', '.join(sorted(EXPECTATION))}"
    else:
        fits, wanted = isinstance(value, str), "a text"
    if not fits:
        raise ValidationError(f"The setting {name} of a field is {wanted}.")


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def member_of(document: str, name: str) -> str:
    """Return the text ``name`` of a JSON object, or ``""`` where it has none or is none."""
    try:
        value = json.loads(document)[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return value if isinstance(value, str) and value.isprintable() else ""


def _clean_headers(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        match = _HEADER.fullmatch(line)
        if not match:
            raise ValidationError("Write one header a line, as in X-Team: search.")
        if match[1].lower() in OWN_HEADERS:
            raise ValidationError(f"The header {match[1]} is set by Gatehouse itself.")
    return "\n".join(lines)
