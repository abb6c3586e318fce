"""What the gateway asks of the client that talks to providers.

Everything else in the gateway knows only ``Upstream`` and ``UpstreamResponse``, so another client
can take aiohttp's place.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]

# Of requests that the gateway makes for itself: for tokens and for tests.
OWN_HEADERS = (
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "gatehouse"),
)


class Unreachable(Exception):
    """No response came: the name, the connection or the response headers failed.

    Its text is the same in gateway errors, tests and logs, and is public: a name that does not
    exist and one on a private network are one cause (docs/security.md).
    """

    def __init__(self, host: str, cause: str, *, was_connected: bool = False) -> None:
        super().__init__(f"Could not reach {host}: {cause}.")
        self.was_connected = was_connected  # so that the request may be the reason


class TimedOut(Unreachable):
    """No connection was made in time."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "no response in time")


class NoPublicAddress(Unreachable):
    """The name does not exist, or resolves to a private network that is not allowed."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "no public address found")


class Unsendable(Unreachable):
    """The request itself may not be sent like this. Nothing was sent."""

    def __init__(self, cause: str) -> None:
        Exception.__init__(self, cause)
        self.was_connected = False


class ResponseBroken(Exception):
    """The response ended before it was complete."""


class Stream(Protocol):
    """A body that arrives while it is sent. Iterating may raise, and ``failure`` is then set."""

    length: int | None  # bytes
    failure: Exception | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(slots=True, repr=False)
class Request:
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | Stream
    asks_for_identity: bool = False  # goes to addresses.METADATA_SERVICE

    def whole_body(self) -> bytes:
        """Return the body, to sign it. Raises ``Unsendable`` if it arrives while it is sent."""
        if not isinstance(self.body, bytes):
            raise Unsendable("its authentication method signs bodies, and this one is too large")
        return self.body


class UpstreamResponse(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises ``ResponseBroken``."""
        ...

    def close(self) -> None:
        """Release the connection, whether the body was read or not."""
        ...


class Upstream(Protocol):
    async def send(self, request: Request) -> UpstreamResponse:
        """Return the response once its headers have arrived. Raises ``Unreachable``, or the failure
        of a body that is a stream."""
        ...

    async def close(self) -> None: ...
