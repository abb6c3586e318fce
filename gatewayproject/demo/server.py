"""Run an asyncio server: in a thread, or as the whole process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop

# Serves until the event is set, and calls the function once it listens.
Serve = Callable[[asyncio.Event, Callable[[], object]], Coroutine[Any, Any, None]]


@contextmanager
def running_in_thread(serve: Serve) -> Iterator[None]:
    """Serve on another event loop while the block runs."""
    started: Future[Callable[[], object]] = Future()

    async def serve_until_stopped() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(stop, lambda: started.set_result(lambda: loop.call_soon_threadsafe(stop.set)))

    def run_in_thread() -> None:
        try:
            run(serve_until_stopped())
        except OSError as error:  # for example, the port is in use
            started.set_exception(error)

    thread = threading.Thread(target=run_in_thread, name="simulated-provider", daemon=True)
    thread.start()
    stop = started.result()
    try:
        yield
    finally:
        stop()
        thread.join()


def run_until_signal(serve: Serve, started: Callable[[], object]) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def serve_until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(stop, started)

    run(serve_until_signal())


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)
