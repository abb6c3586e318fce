"""Which credential values the gateway removes from responses, in case a provider repeats them.

A value that reads like ordinary text stays: removing ``production`` or ``lm-studio`` would change
honest responses. What stays is recorded when credentials are saved, and shown on the key's page.
"""

import re
from collections.abc import Iterator, Mapping

from apikeys.catalogue.headers import EXTRA_HEADERS

SHORTEST = 8  # characters: a shorter value could be found in ordinary text
LONG = 16  # characters: a whole credential of this length is not found by chance
_OPEN_HEADER = re.compile(r"(?:accept|content)\b|user-agent\Z|.*-(?:version|beta)\Z", re.IGNORECASE)
_CREDENTIAL_HEADER = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.I)
_BETWEEN_PARTS = re.compile(r"[\s,;]+")
_MIXED = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])")  # no word has a digit
_RUN = re.compile(r"[A-Za-z0-9]{8,}")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WORD_LENGTH = 3  # characters on average: the pieces of random text are shorter
_LONGEST_WORD = 24


def censored_values(secrets: Mapping[str, str]) -> list[str]:
    """Return the values of ``secrets``, and parts of headers, to remove from responses."""
    return [value for _, value, is_censored in _judged(secrets) if is_censored]


def uncensored_names(secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the fields and headers of which nothing is removed from responses."""
    judged = list(_judged(secrets))
    censored = {name for name, _, is_censored in judged if is_censored}
    return list(dict.fromkeys(name for name, _, _ in judged if name not in censored))


def _judged(secrets: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the name of a field or header, a value, and whether to remove it from responses."""
    for name, secret in secrets.items():
        if name != EXTRA_HEADERS:
            is_odd = len(secret) >= SHORTEST and _MIXED.match(secret) is not None
            yield name, secret, is_odd or len(secret) >= LONG
            continue
        for line in secret.splitlines():
            header, _, value = (part.strip() for part in line.partition(":"))
            if _OPEN_HEADER.match(header):
                continue
            is_credential = _CREDENTIAL_HEADER.search(header) is not None
            words = _BETWEEN_PARTS.split(value)  # what follows a scheme, or a name and "="
            for part in {value, *words, *(word.partition("=")[2] for word in words)} - {""}:
                is_long = is_credential and len(part) >= LONG
                yield header, part, is_long or _looks_random(part)


def _looks_random(text: str) -> bool:
    """Whether ``text`` contains letters and digits that form no words, names or numbers."""
    if len(text) < SHORTEST:
        return False
    for run in _RUN.findall(text):
        pieces = len(_PIECE.findall(run))
        if len(run) < _WORD_LENGTH * pieces:  # wJalrXUt, but not SupportBot
            return True
        if len(run) >= LONG and pieces > 1 and not run.isalpha():  # AKIAIOSFODNN7EXAMPLE
            return True
        if len(run) > _LONGEST_WORD and pieces == 1:
            return True
    return False
