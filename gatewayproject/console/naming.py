"""Names: how they are normalized, and when two are the same."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models

MAX_NAME = 80  # characters
MAX_NAME_KEY = 240  # characters; some letters become several when their case is folded
MAX_SEARCH_KEY = 1500  # bytes
_JOINERS = "\u200c\u200d"  # part of Persian words and of emoji
# Invisible characters that are not format characters: variation selector, fillers, blank Braille.
_BLANK = "\ufe0f\u115f\u1160\u3164\uffa0\u2800"


def tidy_name(name: str) -> str:
    """Return ``name`` without surrounding or repeated spaces. Line breaks stay, to be refused."""
    return re.sub(" +", " ", name.strip())


def folded(text: str) -> str:
    """Return what ``text`` has in common with all that people would take for the same."""
    text = unicodedata.normalize("NFKC", text)
    visible = "".join(
        character
        for character in text
        if unicodedata.category(character) != "Cf" and character not in _BLANK
    )
    return tidy_name(visible.casefold())


def name_key_of(name: str) -> str:
    """Return what is stored to compare names, and to search for a part of one."""
    return folded(name)[:MAX_NAME_KEY]


def search_key(*texts: str) -> str:
    """Return the text that a search matches besides the name: a line for each of ``texts``.

    It is part of an index, and PostgreSQL limits all columns of an index row to 2,704 bytes.
    """
    lines = "\n".join(folded(" ".join(text.split())) for text in texts if text)
    return lines.encode()[:MAX_SEARCH_KEY].decode(errors="ignore")


def validate_printable(text: str) -> None:
    """Refuse control, invisible and direction-changing characters."""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") and character not in "\r\n\t":
            raise ValidationError("Control characters are not allowed here.", code="control")
        if category == "Cf" and character not in _JOINERS:
            raise ValidationError(
                "Invisible and direction-changing characters are not allowed here.",
                code="invisible",
            )


def validate_one_line(text: str) -> None:
    """Refuse line breaks as well."""
    validate_printable(text)
    if any(character in "\r\n\t" for character in text):
        raise ValidationError("Line breaks and tabs are not allowed here.", code="line_break")


def strings_in(names: Any) -> list[str]:
    """Return the strings in a stored list, or nothing if it is malformed."""
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


Row = TypeVar("Row", bound=models.Model)


class NamedQuerySet(models.QuerySet[Row]):
    def named(self, name: str) -> Self:
        """Keep the row with this name, in any case and spelling that people take for the same."""
        return self.filter(name_key=name_key_of(name))


class Named(models.Model):
    """A row with a name of its own: no other has one that people would take for the same."""

    name = models.CharField(max_length=MAX_NAME, validators=[validate_one_line])
    name_key = models.CharField(max_length=MAX_NAME_KEY, unique=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_key = name_key_of(self.name)
        super().save(*args, **kwargs)

    def clean_fields(self, exclude: Iterable[str] | None = None) -> None:
        self.name = tidy_name(self.name)
        self.name_key = name_key_of(self.name)
        errors: dict[str, Any] = {}
        try:
            super().clean_fields({*(exclude or ()), "name_key"})
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if self.name and not self.name_key:
            errors.setdefault("name", []).append(
                "Enter a name with at least one visible character."
            )
        if errors:
            raise ValidationError(errors)

    def validate_unique(self, exclude: Iterable[str] | None = None) -> None:
        super().validate_unique({*(exclude or ()), "name_key"})
        if "name" in (exclude or ()):
            return
        others = type(self)._default_manager.filter(name_key=name_key_of(self.name))
        if others.exclude(pk=self.pk).exists():
            raise _name_taken(type(self))


@contextmanager
def unique_name(model: type[models.Model], column: str = "name_key") -> Iterator[None]:
    """Report a name that was taken concurrently as an error of the form.

    Only the database notices that. Errors of other constraints are raised unchanged.
    """
    table = model._meta.db_table
    try:
        yield
    except IntegrityError as error:
        # SQLite names the column, and PostgreSQL the constraint, which it called after the column.
        if not re.search(rf"\b{table}[._]{column}(_|\b)", str(error)):
            raise
        raise _name_taken(model) from None


def _name_taken(model: type[models.Model]) -> ValidationError:
    message = f"Another {model._meta.verbose_name} already has this name."
    return ValidationError({"name": ValidationError(message, code="unique")})
