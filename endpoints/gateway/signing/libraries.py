"""The libraries of the clouds: installed only where they are needed, and blocking."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from .errors import CannotSign

SECONDS = 30  # that a library may take to find a server's own credentials, or to assume a role

# Not the event loop's threads, which resolve names: no lookup waits for a slow cloud.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="signing")

T = TypeVar("T")


@contextmanager
def optional(package: str) -> Iterator[None]:
    """Import parts of ``package`` inside. Raises ``CannotSign`` if it is not installed."""
    try:
        yield
    except ImportError:
        raise CannotSign(
            f"This authentication method needs {package}, which is not installed: "
            "pip install -r requirements-cloud.lock"
        ) from None


async def in_thread(function: Callable[..., T], *args: object) -> T:
    """Call a blocking function. Raises ``CannotSign`` if it does not return in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SECONDS):
            return await loop.run_in_executor(_threads, function, *args)
    except TimeoutError:
        raise CannotSign("The cloud did not issue credentials in time. Try again.") from None


# Their debug logs contain session tokens and responses of token services.
for _name in ("botocore", "google"):
    logging.getLogger(_name).setLevel(logging.WARNING)
