"""What is sent to a provider: the client's request, addressed to one route."""

from endpoints.gateway.http.apis import base_url_for, paths_of
from endpoints.gateway.http.bodies import Body
from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.http.paths import CHAT, INVOCATIONS, RESPONSES, Call
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.http.uploads import Upload
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.gateway.upstream.client import Request

from .destinations import Destination, Plan

# What curl declares for a body given with -d, which is JSON here, and was read as such.
FORM = ("content-type", "application/x-www-form-urlencoded")
JSON = ("content-type", "application/json")
# Parts of the query that are not sent: ``key``, where Google's older clients put a credential, and,
# by endpoint name, the version that Azure's clients ask for, since a key has one of its own.
KEY = ("key",)
KEY_AND_VERSION = ("key", "api-version")


def unsigned_request(
    client: ClientRequest, route: FoundRoute, plan: Plan
) -> tuple[Request, Destination]:
    """Return the request to send, all but the credential, and where it goes.

    Raises ``Refusal`` if this provider has no such API, or the query cannot be forwarded.
    """
    call, body = client.call, client.body
    if call.is_native:
        destination = plan.native_destination(call.path)
    elif not plan.serves(call.dialect, call.api):
        raise not_served(call, plan)
    elif call.google_method:
        destination = plan.google_destination(call.google_method, route.model, call.version)
    else:
        operation = _operation(call, body) if isinstance(body, Body) else call.operation
        destination = plan.destination(call.dialect, operation, route.model, call.version)
    headers = _headers(client, destination)
    if isinstance(body, (bytes, Upload)):
        sent: bytes | Upload = body
    else:
        sent = body.with_model(plan.model_for(call.dialect, route.model))
        _call_it_json(headers)
    url = destination.url
    if client.query:
        url = _with_query(url, client.query, KEY if call.is_native else KEY_AND_VERSION)
    if call.has_links:  # they are not looked for in a compressed response
        headers = [item for item in headers if item[0] != "accept-encoding"]
        headers.append(("accept-encoding", "identity"))
    return Request(client.method, url, headers, sent), destination


def _operation(call: Call, body: Body) -> str:
    """Return which operation a body is for. Raises ``Refusal`` if it is another one's."""
    operation = call.operation
    if operation == CHAT:
        if not body.is_chat and b'"input"' in body.raw:
            found = "The body has no “messages” but “input”"
            raise Refusal(Problem.WRONG_BODY, found=found, path=f"/v1/{RESPONSES}")
    elif operation == RESPONSES:
        if body.is_chat and b'"input"' not in body.raw:
            found = "The body has no “input” but “messages”"
            raise Refusal(Problem.WRONG_BODY, found=found, path=f"/v1/{CHAT}")
    elif operation == INVOCATIONS:
        if body.is_chat:
            return CHAT
        return "completions" if b'"prompt"' in body.raw else "embeddings"
    return operation


def not_served(call: Call, plan: Plan) -> Refusal:
    """Return why a call is refused whose API the provider does not have, and what it has."""
    facts = plan.dialects.get(call.dialect)
    if facts is None:
        instead = " or ".join(base_url_for(dialect) for dialect in plan.dialects)
        return Refusal(Problem.DIALECT_NOT_SPOKEN, api=call.dialect, instead=instead)
    served = ", ".join(paths_of(call.dialect, facts.operations))
    return Refusal(Problem.OPERATION_NOT_SERVED, path=call.operation, served=served)


def _headers(client: ClientRequest, destination: Destination) -> list[tuple[str, str]]:
    """Return the client's headers, except those that the key sets."""
    own = destination.own_headers
    headers = [item for item in client.headers.sent_on if item[0] not in own]
    for name, text in destination.defaults.items():
        if all(given != name for given, _ in headers):
            headers.append((name, text))
    return headers


def _call_it_json(headers: list[tuple[str, str]]) -> None:
    """Declare a body that was read as JSON, unless the client did. A form always is declared."""
    for place, (name, _) in enumerate(headers):
        if name == "content-type":
            if headers[place] == FORM:
                headers[place] = JSON
            return
    headers.append(JSON)


def _with_query(url: str, query: bytes, dropped: tuple[str, ...]) -> str:
    """Add the client's query, without what is ``dropped`` of it."""
    text = query.decode("latin-1")
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        raise Refusal(Problem.BAD_PATH, part="query")
    parts = [part for part in text.split("&") if part.partition("=")[0].lower() not in dropped]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(parts)}" if parts else url
