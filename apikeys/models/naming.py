"""Names that people give: how they are tidied, and when two are the same."""

import re
import unicodedata

from django.core.exceptions import ValidationError

_JOINERS = "\u200c\u200d"  # part of Persian words and of emoji
# Letters and marks that print as nothing: the emoji style selector, fillers, a blank Braille cell.
_BLANK = "\ufe0f\u115f\u1160\u3164\uffa0\u2800"


def tidy_name(name: str) -> str:
    """Return ``name`` without surrounding or doubled spaces. Line breaks stay, to be refused."""
    return re.sub(" +", " ", name.strip())


def same_name_key(name: str) -> str:
    """Return what two names have in common that people would take for the same."""
    text = unicodedata.normalize("NFKC", name)
    visible = "".join(
        character
        for character in text
        if unicodedata.category(character) != "Cf" and character not in _BLANK
    )
    return tidy_name(visible.casefold())


def validate_printable(text: str) -> None:
    """Refuse characters that are invisible or turn the direction of the text around them."""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") and character not in "\r\n\t":
            raise ValidationError("Control characters are not allowed here.", code="control")
        if category == "Cf" and character not in _JOINERS:
            raise ValidationError(
                "Invisible characters, and those that turn text around, are not allowed here.",
                code="invisible",
            )


def validate_one_line(text: str) -> None:
    """Refuse line breaks as well."""
    validate_printable(text)
    if any(character in "\r\n\t" for character in text):
        raise ValidationError("Line breaks and tabs are not allowed here.", code="line_break")
