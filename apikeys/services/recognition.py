"""Find out from a pasted text which provider and method it is for."""

import json

from apikeys.catalogue.origins import origin_or_empty
from apikeys.catalogue.pasted_text import MAX_DOCUMENT, divide, parse, plain, unwrap
from apikeys.models import AuthScheme, Provider


def recognize(text: str, schemes: list[AuthScheme] | None = None) -> AuthScheme | None:
    """Return the auth scheme that ``text`` has credentials for, if any.

    The pattern of a value counts for more than the name of its variable: OPENAI_API_KEY often
    holds another provider's key. ``schemes`` are those to choose from, all by default.
    """
    if not text.strip():
        return None
    if schemes is None:
        schemes = list(AuthScheme.objects.select_related("provider"))
    if _is_service_account(text):
        documents = [
            scheme
            for scheme in schemes
            if any(spec.format == "service_account_json" for spec in scheme.specs)
        ]
        return min(documents, key=_place, default=None)
    pairs = parse(text)
    values = [pair.value for pair in pairs] or [unwrap(text)[0]]
    owners = {Provider.objects.recognize(value) for value in values[:20]} - {None}
    if not owners:
        origins = {origin_or_empty(pair.value) for pair in pairs} - {""}
        owners = {
            scheme.provider
            for scheme in schemes
            if origin_or_empty(scheme.provider.base_url) in origins
        }
    known = len(owners) == 1
    if known:
        schemes = [scheme for scheme in schemes if scheme.provider in owners]
    names = {plain(pair.name) for pair in pairs}
    scores = {scheme: _score(scheme, names, values, by_pattern=known) for scheme in schemes}
    if not known:
        scores = {scheme: score for scheme, score in scores.items() if score}
    return min(scores, key=lambda scheme: (-scores[scheme], _place(scheme)), default=None)


def pasted_values(text: str, scheme: AuthScheme) -> dict[str, str]:
    """Return the values that ``text`` has for the fields of ``scheme``, by their names."""
    secrets = scheme.secret_specs
    if _is_service_account(text):
        return {spec.name: text for spec in secrets if spec.format == "service_account_json"}
    found = divide(text, scheme.specs)
    if not found and text.strip():
        bare = unwrap(text)[0]
        fitting = [spec for spec in secrets if spec.pattern and spec.accepts(bare)]
        found = {spec.name: text for spec in (fitting or secrets)[:1]}
    return found


def _is_service_account(text: str) -> bool:
    if len(text) > MAX_DOCUMENT:
        return False
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("type") == "service_account"


def _score(scheme: AuthScheme, names: set[str], values: list[str], *, by_pattern: bool) -> int:
    """Return how many of the scheme's fields the text names or has a value for."""
    return sum(
        bool(names & {plain(name) for name in spec.env})
        or (spec.format == "azure_endpoint" and any(".azure" in value[:200] for value in values))
        or (by_pattern and bool(spec.secret and spec.pattern) and any(map(spec.accepts, values)))
        for spec in scheme.specs
    )


def _place(scheme: AuthScheme) -> tuple[int, int]:
    return scheme.position, scheme.provider.position
