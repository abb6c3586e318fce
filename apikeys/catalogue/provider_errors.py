"""What a provider's error means: rules as data, and what they look at. See errors.toml."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import TextChoices

RULES_FILE = Path(__file__).with_name("errors.toml")
MAX_BODY = 64 * 1024  # bytes that are parsed; a larger one repeats the request
MAX_MESSAGE = 1_000  # characters of a message that are looked at
MAX_CODES = 40  # of one error; real ones have fewer than ten
_XML_CODE = re.compile(rb"<Code>([\w.]{1,100})</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]{1,1000})</Message>")
_CODES = ("code", "type", "status", "reason", "error_code", "__type", "errorCode")
_MESSAGES = ("message", "Message", "detail", "error_description", "error", "msg")
_INNER = ("error", "innererror", "inner_error")
# Headers with which firewalls mark their challenges. Sources: Cloudflare, "Detect a challenge page
# response"; AWS WAF, "How AWS WAF uses the CAPTCHA and challenge rule actions".
_CHALLENGES = {b"cf-mitigated": b"challenge", b"x-amzn-waf-action": b""}


class Cause(TextChoices):
    """Why a provider refused a request. The labels are for pages."""

    WRONG_KEY = "wrong_key", "Wrong key"
    NOT_PERMITTED = "not_permitted", "No permission"
    MODEL_MISSING = "model_missing", "Model not found"
    NO_CREDIT = "no_credit", "Out of credit"
    LOCATION = "location", "Location not supported"
    CHALLENGE = "challenge", "Blocked by a firewall"
    MODERATED = "moderated", "Request refused for its content"


class ErrorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of the table: what ``status``, ``code`` and the beginning of the message mean."""

    means: Cause
    status: frozenset[Annotated[int, msgspec.Meta(ge=400, le=599)]] = frozenset()
    code: frozenset[str] = frozenset()
    says: str = ""

    def check(self) -> None:
        """Raise ``ValidationError`` if the rule fits everything, or cannot be compiled."""
        if not (self.status or self.code or self.says):
            raise ValidationError({"transport": "A rule about errors needs a status or a code."})
        try:
            re.compile(self.says)
        except re.error:
            raise ValidationError(
                {"transport": f"{self.says!r} is not a regular expression."}
            ) from None


class ErrorFacts(NamedTuple):
    """What a rule looks at."""

    status: int
    codes: frozenset[str]  # in lower case
    message: str
    is_challenge: bool = False


class Meaning(NamedTuple):
    cause: Cause
    code: str = ""  # the provider's, if a rule knows it: so never a text of the provider's choice


def meaning_of(facts: ErrorFacts, own: Sequence[ErrorRule] = ()) -> Meaning | None:
    """Return what an error means, by the provider's ``own`` rules and the general ones.

    None for what is about the request, or passes by itself: rate limits and server errors.
    """
    if facts.is_challenge:
        return Meaning(Cause.CHALLENGE)
    for rule in chain(own, general_rules()):
        if rule.status and facts.status not in rule.status:
            continue
        code = ""
        if rule.code:
            known = _by_lower_case(rule.code)
            code = next((known[each] for each in sorted(facts.codes & known.keys())), "")
            if not code:
                continue
        if rule.says and not re.match(rule.says, facts.message):
            continue
        return Meaning(rule.means, code)
    return None


def facts_of(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> ErrorFacts:
    """Return what is known of an error response, whose body may be of any kind.

    Codes and messages count only in their own places, as an error may quote the request anywhere.
    """
    codes: list[str] = []
    is_page, is_challenge = body[:1] == b"<" and b"<html" in body[:512].lower(), False
    for name, value in headers:
        lower = name.lower()
        if lower == b"x-amzn-errortype":
            codes.append(value.partition(b":")[0].decode("latin-1"))
        elif lower == b"content-type":
            is_page = is_page or value.lower().startswith(b"text/html")
        elif lower in _CHALLENGES:
            is_challenge = is_challenge or value.lower().startswith(_CHALLENGES[lower])
    message = ""
    document = _document(body) if len(body) <= MAX_BODY else {}
    if document:
        codes += _codes(document)
        messages = (each.get(name) for each in _objects(document) for name in _MESSAGES)
        message = next((text for text in messages if isinstance(text, str) and text), "")
    elif body[:1] == b"<" and not is_page:
        codes += [code.decode() for code in _XML_CODE.findall(body[:4096])]
        if found := _XML_MESSAGE.search(body[:4096]):
            message = found[1].decode("utf-8", "replace")
    else:
        message = body[:MAX_MESSAGE].decode("utf-8", "replace").strip()
    return ErrorFacts(
        status=status,
        codes=frozenset(code.rpartition("#")[2].lower() for code in codes[:MAX_CODES]),
        message=message[:MAX_MESSAGE],
        is_challenge=is_challenge or (is_page and status == 403),
    )


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(found, list) and found:  # Google's, in a stream
        found = found[0]
    return found if isinstance(found, dict) else {}


def _objects(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that describe the error, the innermost first."""
    for name in _INNER:
        inner = document.get(name)
        if isinstance(inner, dict):
            yield from (
                inner[deeper] for deeper in _INNER[1:] if isinstance(inner.get(deeper), dict)
            )
            yield inner
    errors = document.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        yield errors[0]
    yield document


def _codes(document: Mapping[str, Any]) -> Iterator[str]:
    for each in _objects(document):
        for name in _CODES:
            value = each.get(name)
            if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                yield str(value)[:100]
        details = each.get("details")
        for detail in details[:10] if isinstance(details, list) else ():
            reason = detail.get("reason") if isinstance(detail, dict) else None
            if isinstance(reason, str):
                yield reason[:100]
        metadata = each.get("metadata")
        if isinstance(metadata, dict):
            yield from (f"metadata.{name[:40]}" for name in list(metadata)[:10])


@lru_cache(maxsize=512)
def _by_lower_case(codes: frozenset[str]) -> Mapping[str, str]:
    return {code.lower(): code for code in codes}


@cache
def load_rules() -> dict[str, Any]:
    """Return the general rules, and those of built-in providers by their slugs."""
    return tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))


@cache
def general_rules() -> tuple[ErrorRule, ...]:
    return msgspec.convert(load_rules()["general"], tuple[ErrorRule, ...])


def declared_rules(provider: str) -> list[dict[str, Any]]:
    """Return the rules of a built-in provider, by its slug, as its schemes store them."""
    rules: list[dict[str, Any]] = load_rules()["provider"].get(provider, [])
    return rules
