"""A little traffic of real requests, so that the charts of the demo move."""

import itertools
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection

BURST = 40  # requests at once, so that there is something to see
EVERY = 2.0  # seconds between the others
SENTENCES = ("What is a gatehouse?", "Sum this up.", "Say it in French.", "And in one word?")


def send_traffic(port: int, token: str, endpoints: Sequence[str]) -> threading.Event:
    """Call the gateway on this machine now and then, until the event is set."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.3) and not _is_up(port):
            pass
        turns = itertools.cycle(itertools.product(SENTENCES, endpoints))
        for number, (sentence, endpoint) in enumerate(turns):
            with suppress(OSError):
                _call(port, token, endpoint, sentence)
            if stop.wait(0 if number < BURST else EVERY):
                return

    threading.Thread(target=run, name="demo-traffic", daemon=True).start()
    return stop


def _is_up(port: int) -> bool:
    with suppress(OSError):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


def _call(port: int, token: str, endpoint: str, sentence: str) -> None:
    if endpoint == "embed":
        path, body = "embeddings", {"model": endpoint, "input": sentence}
    else:
        messages = [{"role": "user", "content": sentence}]
        path, body = "chat/completions", {"model": endpoint, "messages": messages}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"/gateway/v1/{path}", json.dumps(body), headers)
    connection.getresponse().read()
    connection.close()
