"""Credentials arrive by copy and paste: find them in what was pasted, refuse what cannot be one.

People paste shell lines, `.env` files, JSON, YAML, Python, `curl` commands. ``parse`` lists the
named values of such a text; ``clean_credential`` removes what surrounds a single one. Real
credentials are kept unchanged. No message ever repeats any part of the value.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ValidationError

from .cleaned import Cleaned

if TYPE_CHECKING:
    from .fields import FieldSpec

MAX_LENGTH = 8 * 1024  # characters of a one-line credential
MAX_DOCUMENT = 64 * 1024  # characters of a JSON or PEM file

SPACE = " \t\r\n\v\f\u00a0"
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}
# Every repetition is bounded or cannot give back what it took, so that no text takes long.
_NAME = r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,79})"
_VALUE = r"""(?P<value>"[^"\n]{0,9000}"|'[^'\n]{0,9000}'|`[^`\n]{0,9000}`|[^\s"'`(]{1,70000})"""
_ASSIGNMENT = re.compile(
    rf"(?<![\w.$:/-])(?P<quote>[\"']?){_NAME}(?P=quote)\]?[ \t]{{0,20}}"
    rf"(?P<sign>[=:]|,(?=[ \t]?[\"']))[ \t]{{0,20}}{_VALUE}"
)
_SETX = re.compile(rf"^[ \t]{{0,20}}setx[ \t]{{1,20}}{_NAME}[ \t]{{1,20}}{_VALUE}", re.I | re.M)
_BEARER = re.compile(r"(?:authorization\s{0,20}:\s{0,20})?bearer\s{1,20}", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'`]{1,2000}")
_CREDENTIAL_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,79}_(KEY|TOKEN|SECRET|PASSWORD|PAT|ID|APIKEY)")
# Names that mean "the credential" of any provider, once case and punctuation are taken off.
GENERIC_NAMES = frozenset(
    "apikey key token accesstoken authtoken secret authorization bearer xapikey xgoogapikey "
    "bearertoken apitoken secretkey".split()
)
_SETTINGS = ("URL", "BASE", "HOST", "MODEL", "REGION", "VERSION", "ENDPOINT", "DEBUG", "PORT")


class Pair(NamedTuple):
    """A value of a pasted text, and the name of its variable, member or header."""

    name: str
    value: str


def plain(name: str) -> str:
    """Return ``name`` for comparison: "x-api-key", "API key" and "api_key" are much alike."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def divide(text: str, specs: Iterable["FieldSpec"]) -> dict[str, str]:
    """Return the values that a pasted block of text has for the fields ``specs``, by their names.

    Empty for a bare credential, and where the text leaves open which of its values is meant.
    """
    specs = list(specs)
    bare, _ = unwrap(text, tuple(name for spec in specs for name in spec.env))
    if not re.search(r"[\s\"'{]", bare):
        return {}
    pairs = parse(text)
    found: dict[str, str] = {}
    for spec in specs:
        names = {plain(name) for name in (spec.name, spec.label, *spec.env)}
        value = next((pair.value for pair in pairs if plain(pair.name) in names), "")
        if not value and spec.format == "azure_endpoint":
            value = next((pair.value for pair in pairs if ".azure" in pair.value[:200]), "")
        if value:
            found[spec.name] = value
    if not any(spec.secret and spec.name in found for spec in specs):
        needed = [spec for spec in specs if spec.secret and spec.required]
        values = {pair.value for pair in pairs if names_a_credential(pair.name)}
        if len(needed) == len(values) == 1 and not needed[0].is_document:
            found[needed[0].name] = values.pop()
    return found


def parse(text: str) -> list[Pair]:
    """Return the named values in ``text``, in its order; none where it is one bare value."""
    text = text.strip(SPACE)
    if len(text) > MAX_DOCUMENT:
        return []
    if text[:1] in ("{", "["):
        try:
            return list(_members(json.loads(text)))
        except (ValueError, RecursionError):
            pass  # much of what looks like JSON is Python, or half of it
    if re.match(r"curl(\.exe)?\s", text):
        return _parse_curl(text)
    lines = [line.strip(SPACE) for line in text.splitlines()]
    lines = [line for line in lines if not line.startswith(("#", "//", "REM ", "rem "))]
    text = "\n".join(re.split(r"\s#", line, maxsplit=1)[0].rstrip() for line in lines)
    pairs = [Pair(m["name"], _unquoted(m["value"])) for m in _SETX.finditer(text)]
    for match in _ASSIGNMENT.finditer(text):
        value = _BEARER.sub("", _unquoted(match["value"]), count=1)
        pairs.append(Pair(match["name"], value))
    return [pair for pair in pairs if pair.value]


def is_credential_name(name: str) -> bool:
    """Whether ``name`` is written as the environment variables of credentials are."""
    return bool(_CREDENTIAL_NAME.fullmatch(name))


def names_a_credential(name: str) -> bool:
    """Whether a value called ``name`` is a credential, rather than a setting."""
    if any(word in name.upper() for word in _SETTINGS):
        return False
    return plain(name) in GENERIC_NAMES or is_credential_name(name.upper())


def _members(document: Any) -> Iterator[Pair]:
    """Yield the strings of a JSON document, those inside it too."""
    todo = [("", document)]
    while todo:
        name, value = todo.pop(0)
        if isinstance(value, str) and name:
            yield Pair(name, value)
        elif isinstance(value, dict):
            todo[:0] = list(value.items())
        elif isinstance(value, list):
            todo[:0] = [(name, item) for item in value[:100]]


def _unquoted(value: str) -> str:
    """Return the value of an assignment without the punctuation that ends it."""
    value = value.rstrip(";,")
    if len(value) >= 2 and QUOTES.get(value[0]) == value[-1]:
        return value[1:-1]
    for opening, closing in ("()", "{}", '""', "''"):
        if opening == closing or opening not in value:
            value = value.rstrip(closing).rstrip(";,")  # -e "NAME=value", f(api_key=value)
    return value


def _parse_curl(text: str) -> list[Pair]:
    """Return the headers, the address and the credentials in the query of a curl command."""
    pairs: list[Pair] = []
    for match in re.finditer(
        r"(?:-H|--header)[ =]{0,4}(?:\"([^\"]{1,9000})\"|'([^']{1,9000})')", text
    ):
        name, colon, value = (match[1] or match[2]).partition(":")
        if colon:
            pairs.append(Pair(name.strip(), _BEARER.sub("", value.strip(), count=1)))
    if url := _URL.search(text):
        pairs.append(Pair("url", url[0]))
        pairs += [Pair(*item) for item in parse_qsl(urlsplit(url[0]).query)[:50]]
    return [pair for pair in pairs if pair.name and pair.value]


# --- One credential ------------------------------------------------------------------------------

_PREFIXED = re.compile(
    rf"(?:export\s{{1,20}}|set\s{{1,20}}|\$env:)?{_NAME}(?P<sign>\s{{0,20}}[=:]\s{{0,20}})(?=\S)"
)
_MASK = re.compile(r"…|\.\.\.|[•●*]{3,}|^[xX]{8,}$")
VARIABLE = "This refers to a variable. Paste the key itself."
STORE = "This refers to a secret store. Paste the key itself."
PLACEHOLDER = "This is a placeholder. Paste the key itself."
REFUSED = (
    (re.compile(r"\$\{.*\}|\$\(.*\)|\$[A-Za-z_]\w*|%\w+%|\{\{.*\}\}|env:.*"), VARIABLE),
    (re.compile(r"(os\.environ|os\.getenv|process\.env|ENV\[|env\.)\b.*"), VARIABLE),
    (re.compile(r"(op|vault|secret|secrets|keyvault|awssm|gcpsm|ref\+\w+)://.*"), STORE),
    (re.compile(r"(vault:|!vault|arn:aws[\w-]*:(secretsmanager|ssm):).*"), STORE),
    (re.compile(r"projects/[^/]+/secrets/.*"), STORE),
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://.*"), "This is a URL. Paste the key itself."),
    (
        re.compile(
            r"(~|\.{1,2})[/\\].*|[A-Za-z]:\\.*|[^\s:]{0,200}\.(json|pem|env|txt|ya?ml|toml)"
        ),
        "This is the name of a file. Paste the key itself.",
    ),
    (re.compile(r"<.*>|\[.*\]"), PLACEHOLDER),
    (re.compile(r"(?i)([a-z]{2,8}[-_]){0,3}x{3,}([-_]x{3,}){0,8}"), PLACEHOLDER),
    (
        re.compile(r"(?i)([a-z]{2,12}[-_]){0,3}(your|insert|replace|enter|paste)[-_][a-z_-]*"),
        PLACEHOLDER,
    ),
    (
        re.compile(r"(?i)api[-_]?key|key|token|change[-_]?me|placeholder|none|null|undefined|todo"),
        PLACEHOLDER,
    ),
    (
        re.compile(r"[A-Za-z][\w .-]{0,80},[^\s,]{16,}"),
        "This looks like a row of a table. Paste only the key.",
    ),
    (
        re.compile(r"[A-Z][A-Z0-9_]*_(API_?KEY|KEY|TOKEN|SECRET|PASSWORD)"),
        "This is the name of a variable. Paste its value.",
    ),
)


def clean_credential(
    text: str, label: str, *, env: tuple[str, ...] = (), document: bool = False
) -> Cleaned:
    """Return the credential in ``text``. ``env`` names its usual environment variables."""
    if len(text) > (MAX_DOCUMENT if document else MAX_LENGTH):
        raise ValidationError(f"This is too long for {label}. Check what you pasted.")
    value, removed = unwrap(text, env)
    if value and not document:  # what people paste in its place: masks, references, URLs
        if _MASK.search(value):
            raise ValidationError("This looks like a masked key. Paste the full key.")
        for pattern, reason in REFUSED:
            if pattern.fullmatch(value):
                raise ValidationError(reason)
    _refuse_characters(value, document)
    if not removed:
        return Cleaned(value)
    listed = " and ".join(filter(None, [", ".join(removed[:-1]), removed[-1]]))
    return Cleaned(value, (f"Removed {listed} from the pasted text.",))


def unwrap(text: str, env: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """Take off wrappings, from the outside in, and return what is left and what they were."""
    removed: list[str] = []
    value = text.replace("\r\n", "\n")
    while True:
        stripped = value.strip(SPACE)
        if stripped != value and stripped:
            removed.append("spaces")
        value, wrapping = _take_off_one(stripped, env)
        if not wrapping:
            return value, list(dict.fromkeys(removed))
        removed.append(wrapping)


def _take_off_one(value: str, env: tuple[str, ...]) -> tuple[str, str]:
    if len(value) >= 2 and QUOTES.get(value[0]) == value[-1]:
        return value[1:-1], "quotes"
    if match := _BEARER.match(value):
        return value[match.end() :], "Bearer"
    if not (match := _PREFIXED.match(value)):
        return value, ""
    name, rest = match["name"], value[match.end() :].rstrip(";, \t")
    is_quoted = len(rest) >= 2 and QUOTES.get(rest[0]) == rest[-1]
    is_written_out = is_quoted or match["sign"] != match["sign"].strip()
    if name in env or is_credential_name(name):
        return rest, f"{name}="
    if is_written_out and plain(name) in GENERIC_NAMES:
        return rest, f"{name}{match['sign'].strip()}"
    return value, ""


def _refuse_characters(value: str, document: bool) -> None:
    """Refuse what an HTTP header cannot carry; an HTTP client would repeat it in its error text."""
    for character in value:
        if document and character in "\n\t ":
            continue
        if character.isspace():
            raise ValidationError("The key contains spaces. Paste only the key.")
        category = unicodedata.category(character)
        if category == "Cf":
            raise ValidationError(
                "The key contains an invisible (zero-width) character. Copy it again."
            )
        if category.startswith("C"):
            raise ValidationError("The key contains a control character. Copy it again.")
        if not character.isascii():
            raise ValidationError("The key contains a non-ASCII character. Copy it again.")
