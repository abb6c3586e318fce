"""What the gateway asks of the client that talks to providers.

Everything else in the gateway knows only ``Upstream`` and ``Answer``, so another client can take
aiohttp's place.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


class Unreachable(Exception):
    """No answer came: the name, the connection or the answer's head failed."""


class TimedOut(Unreachable):
    """No connection came about in time."""


class PrivateAddress(Unreachable):
    """The address is on a private network that the operator has not allowed."""


class Broken(Exception):
    """The answer broke off."""


@dataclass(slots=True, repr=False)
class Request:
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    asks_for_identity: bool = False  # goes to addresses.METADATA_SERVICE


class Answer(Protocol):
    status: int
    headers: Headers

    async def read(self) -> bytes:
        """Return the whole body. Raises ``Broken``."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises ``Broken``."""
        ...

    def close(self) -> None:
        """Let go of it, whole or not."""
        ...


class Upstream(Protocol):
    async def send(self, request: Request) -> Answer:
        """Return the answer as soon as its head is there. Raises ``Unreachable``."""
        ...

    async def close(self) -> None: ...
