"""One input of an auth scheme, as the catalogue declares it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.core.exceptions import ValidationError

from .cleaned import Cleaned
from .formats import FORMATS
from .headers import EXTRA_HEADERS, is_sendable
from .pasted_text import clean_credential

KINDS = ("text", "password", "textarea", "url", "key_values")
MAX_CONFIG = 2_000  # characters of a value that is no secret
MAX_LIFETIME = 24 * 366  # hours: what lives longer is not short-lived
EXPECTATION = {"prefix", "field", "warning"}  # what `expects` says
HINT_FROM = 20  # characters: a hint of a shorter secret would give too much of it away
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})\s*:\s*([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One input of a scheme. Forms, models, admin and commands all read this."""

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
            raise ValidationError(f"Unknown field setting: {', '.join(sorted(unknown))}.")
        if missing := {"name", "label"} - set(declaration):
            raise ValidationError(f"A field needs {' and '.join(sorted(missing))}.")
        for name, value in declaration.items():
            _check_type(name, value)
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in declaration.items()
        }
        spec = cls(**settings)
        spec._check()
        return spec

    def _check(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", str(self.name)):
            raise ValidationError(
                "Use lower-case letters, digits and underscores in the name of a field."
            )
        if self.kind not in KINDS:
            raise ValidationError(f"{self.name}: kind must be one of {', '.join(KINDS)}.")
        if self.format and self.format not in FORMATS:
            raise ValidationError(f"{self.name}: format must be one of {', '.join(FORMATS)}.")
        if (self.name == EXTRA_HEADERS) != (self.kind == "key_values"):
            raise ValidationError(f'{self.name}: kind "key_values" is for {EXTRA_HEADERS} alone.')
        if self.name == EXTRA_HEADERS and not self.secret:
            raise ValidationError(f"{EXTRA_HEADERS} holds credentials: declare it as secret.")
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

    def clean(self, raw: str) -> Cleaned:
        """Return what to keep of what was typed, ``""`` for nothing. Raises ``ValidationError``."""
        if not isinstance(raw, str):
            raise ValidationError("Enter text.")
        if self.secret:
            value, found = clean_credential(
                raw, self.label, env=self.env, document=self.is_document
            )
        else:
            value, found = raw.strip(), ()
            if len(value) > MAX_CONFIG:
                raise ValidationError(f"Enter at most {MAX_CONFIG:,} characters.")
            if not value.isprintable():
                raise ValidationError(
                    "The value contains an invisible or control character. Type it again."
                )
        if not value:
            return Cleaned("", found)
        if self.kind == "key_values":
            return Cleaned(_clean_headers(value), found)
        notes = list(found)
        if self.format:
            value, found = FORMATS[self.format](value)
            notes += found
        for suffix in self.strip_suffixes:
            if value.endswith(suffix):
                value = value.removesuffix(suffix)
                notes.append(f"{self.label}: removed {suffix} from the URL; Gatehouse adds it.")
        if self.pattern and not self.accepts(value):
            if self.legacy_pattern and re.fullmatch(self.legacy_pattern, value, re.ASCII):
                note = "this is an older format. Check that the provider still accepts it."
            elif self.strict:
                wrong = "This value does not have the expected format."
                raise ValidationError(self.message or wrong)
            else:
                note = f"{self.message} Saved unchanged."
            notes.append(f"{self.label}: {note}")
        return Cleaned(value, tuple(notes))

    def accepts(self, value: str) -> bool:
        """Whether ``value`` has the declared form."""
        return bool(re.fullmatch(self.pattern, value, re.ASCII))

    def may_be_filled(self, value: str) -> bool:
        """Whether a pasted text may fill this field: empty, or a default that is no URL."""
        return not value or (value == self.default and not self.format.endswith("url"))

    def hint_of(self, secret: str) -> str:
        """Return the last four characters, or nothing where they would mean or reveal too much."""
        if self.hint:
            secret = member_of(secret, self.hint)
        elif self.is_document:
            return ""
        return secret[-4:] if len(secret) >= HINT_FROM else ""


def parse_fields(declarations: Any) -> list[FieldSpec]:
    """Read the fields of a scheme. Raises ``ValidationError`` that says what is wrong with them."""
    if not isinstance(declarations, list) or not declarations:
        raise ValidationError({"fields": "Declare at least one field, as a list."})
    if not all(isinstance(declaration, dict) for declaration in declarations):
        raise ValidationError({"fields": "Each field is an object with a name and a label."})
    try:
        return [FieldSpec.parse(declaration) for declaration in declarations]
    except ValidationError as error:
        raise ValidationError({"fields": error.messages}) from None
    except (TypeError, ValueError):
        raise ValidationError({"fields": "A setting of a field has the wrong type."}) from None


def _check_type(name: str, value: Any) -> None:
    if name in ("secret", "required", "strict"):
        fits, wanted = isinstance(value, bool), "true or false"
    elif name == "lifetime_hours":
        fits, wanted = type(value) is int and 0 < value <= MAX_LIFETIME, "a number of hours"
    elif name in ("strip_suffixes", "env"):
        fits, wanted = isinstance(value, list) and _all_strings(value), "a list of strings"
    elif name == "expects":
        fits = (
            isinstance(value, dict) and _all_strings(value.values()) and value.keys() == EXPECTATION
        )
        wanted = f"an object of strings with {', '.join(sorted(EXPECTATION))}"
    else:
        fits, wanted = isinstance(value, str), "a string"
    if not fits:
        raise ValidationError(f"The setting {name} of a field is {wanted}.")


def _all_strings(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def member_of(document: str, name: str) -> str:
    """Return the string ``name`` of a JSON object, or ``""``."""
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
        if not is_sendable(match[1]) or match[1].lower() == "accept-encoding":
            raise ValidationError(f"The header {match[1]} is set by Gatehouse itself.")
    return "\n".join(lines)
