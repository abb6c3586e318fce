"""What is sent to a provider: the caller's request, turned towards one route."""

from .directory import FoundRoute
from .exchange import Exchange
from .plans import Destination, Plan
from .problems import Problem
from .upstream import Request

# What curl says of a body given with -d, which is JSON here, and was read as such.
FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")


class WrongDialect(Exception):
    """This route's provider has no API of the caller's kind."""


def unsigned_request(
    exchange: Exchange, route: FoundRoute, plan: Plan
) -> tuple[Request, Destination]:
    """Return the request to send, all but the credential, and where it goes.

    Raises ``WrongDialect``, and ``Problem`` where the query cannot be sent on.
    """
    call, body = exchange.call, exchange.body
    if call.is_native:
        destination = plan.native_destination(call.path)
    elif not plan.speaks(call.dialect):
        raise WrongDialect
    elif call.google_method:
        destination = plan.google_destination(call.google_method, route.model)
    else:
        operation = call.operation
        if call.inserts_model:
            operation = "chat/completions" if body.is_chat else "embeddings"
        destination = plan.destination(call.dialect, operation, route.model)
    if not call.is_native:
        body = body.with_model(plan.model_for(call.dialect, route.model))
    url = _with_query(destination.url, exchange.query) if exchange.query else destination.url
    return Request(exchange.method, url, _headers(exchange, destination), body), destination


def _headers(exchange: Exchange, destination: Destination) -> list[tuple[str, str]]:
    """The caller's headers, save those that are the key's own to set."""
    own = destination.own_headers
    headers = [item for item in exchange.incoming.sent_on if item[0] not in own]
    if not exchange.call.is_native:
        _call_it_json(headers)
    for name, text in destination.defaults.items():
        if all(given != name for given, _ in headers):
            headers.append((name, text))
    return headers


def _call_it_json(headers: list[tuple[str, str]]) -> None:
    for place, (name, _) in enumerate(headers):
        if name == "content-type":
            if headers[place] == FORM:
                headers[place] = JSON
            return
    headers.append(JSON)


def _with_query(url: str, query: bytes) -> str:
    """Add the caller's query, without ``key``: there Google's older clients put a credential."""
    text = query.decode("latin-1")
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        raise Problem(400, "bad_path", "This query cannot be sent on to a provider.")
    parts = [part for part in text.split("&") if part.partition("=")[0].lower() != "key"]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(parts)}" if parts else url
