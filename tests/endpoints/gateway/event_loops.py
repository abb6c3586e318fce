"""Running coroutines in tests: in a thread, as Playwright keeps a loop in the main one."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "test-loop")
        self._runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what ``coroutine`` returns, or raise what it raises."""
        return self._thread.submit(self._runner.run, coroutine).result()

    def close(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run one coroutine, on a loop of its own."""
    loop = Loop()
    try:
        return loop.run(coroutine)
    finally:
        loop.close()
