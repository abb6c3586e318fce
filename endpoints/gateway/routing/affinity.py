"""Requests that refer to an object go to the API key that created it at the provider.

IDs are looked for only where an endpoint has several API keys. Sources of their beginnings: the API
references of OpenAI, Anthropic and Google.
"""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from uuid import UUID

from endpoints.gateway.http.bodies import AtOnce, in_turns
from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.lookup.directory import Found, FoundRoute
from endpoints.services.stored_objects import keys_of_objects, remember_objects

SLICE = 128 * 1024  # bytes of a body that are searched in one turn of the event loop
LARGEST_RESPONSE = 512 * 1024  # bytes of one that are searched
LONGEST_ID = 200
MOST_RECENT = 10_000
MOST_IDS = 100  # of one request or response
# With a digit or a capital letter, unlike the names of functions, such as upload_document.
_PREFIXED = (
    rb"(?:(?:resp|conv|rs|batch|msgbatch|upload|cmp)_|file[-_])(?=[a-z_-]{0,160}[A-Z0-9])"
    rb"[\w-]{6,160}"
)
_IN_FOLDER = rb"(?:cachedContents|files|batches)/[\w-]{6,160}"
# In JSON, as a whole string or the end of a URL; and in a path.
_NAMED = re.compile(rb'["/](' + _PREFIXED + rb"|" + _IN_FOLDER + rb')(?=["/?:])')
_CREATED = re.compile(rb'"id"\s*:\s*"(' + _PREFIXED + rb')"|"name"\s*:\s*"(' + _IN_FOLDER + rb')"')


class Affinity:
    """Which keys of one process's requests created what."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._turn = asyncio.Lock()
        self._recent: set[str] = set()  # that were remembered; events repeat them

    async def routes_for(
        self, request: ClientRequest, routes: Sequence[FoundRoute], found: Found
    ) -> Sequence[FoundRoute]:
        """Return the routes whose key created what ``request`` refers to; all of them if it refers
        to nothing that is remembered. Raises ``Refusal`` if no route has that key any more, or if
        the database is away, which knows it.

        What another endpoint has created is no reason to refuse: its clients may have made a
        provider repeat any name as an ID.
        """
        names = await in_turns(_names_in(request), self._turn)
        if not names:
            return routes
        if found.stale_seconds is not None:
            raise Refusal(Problem.DATABASE_AWAY)
        objects = await asyncio.get_running_loop().run_in_executor(
            self._executor, keys_of_objects, names
        )
        keys = {key_id for key_id, _ in objects}
        chosen = [route for route in routes if route.key_id in keys]
        if not chosen and found.endpoint_id in {endpoint for _, endpoint in objects}:
            raise Refusal(Problem.STORED_WITH_ANOTHER_KEY)
        return chosen or routes

    async def remember(self, data: bytes, key_id: UUID, endpoint_id: int | None) -> None:
        """Note the objects that a response, or an event of it, says were created."""
        found = _CREATED.findall(data, 0, LARGEST_RESPONSE)[:MOST_IDS]
        names = {(prefixed or in_folder).decode() for prefixed, in_folder in found}
        names -= self._recent
        if not names:
            return
        await asyncio.get_running_loop().run_in_executor(
            self._executor,
            partial(remember_objects, names, key_id, endpoint_id=endpoint_id),
        )
        if len(self._recent) > MOST_RECENT:
            self._recent.clear()
        self._recent |= names


def _names_in(request: ClientRequest) -> AtOnce[set[str]]:
    """Return the IDs in the path and the body of ``request``."""
    path = (request.call.path or request.call.operation).encode("ascii", "replace")
    names = set(_NAMED.findall(b"/" + path + b"/"))
    body = request.body
    raw = body if isinstance(body, bytes) else getattr(body, "raw", b"")
    for start in range(0, len(raw), SLICE):
        names.update(_NAMED.findall(raw, start, start + SLICE + LONGEST_ID))
        if len(names) > MOST_IDS:
            break
        yield
    return {name.decode() for name in names}
