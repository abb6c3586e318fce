"""Real requests, so that the charts of the demo move."""

import itertools
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

BURST = 20  # requests at once, so that there is something to see
INTERVAL = 10.0  # seconds between the others; a rate similar to the sample's
PROMPTS = ("What is a gatehouse?", "Summarize this.", "Say it in French.", "And in one word?")


def send_traffic(url: str, token: str, endpoints: Sequence[str]) -> threading.Event:
    """Call the gateway at ``url`` from a thread until the returned event is set."""
    address, stop = urlsplit(url).netloc, threading.Event()

    def run() -> None:
        while not stop.wait(0.3) and not _is_up(address):
            pass
        requests = itertools.cycle(itertools.product(PROMPTS, endpoints))
        for number, (prompt, endpoint) in enumerate(requests):
            with suppress(OSError):
                _call(address, token, endpoint, prompt)
            if stop.wait(0 if number < BURST else INTERVAL):
                return

    threading.Thread(target=run, name="demo-traffic", daemon=True).start()
    return stop


def _is_up(address: str) -> bool:
    with suppress(OSError):
        connection = HTTPConnection(address, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


def _call(address: str, token: str, endpoint: str, prompt: str) -> None:
    body: dict[str, Any] = {"model": endpoint}
    if endpoint == "embed":
        path, body["input"] = "embeddings", prompt
    else:
        path, body["messages"] = "chat/completions", [{"role": "user", "content": prompt}]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = HTTPConnection(address, timeout=30)
    connection.request("POST", f"/gateway/v1/{path}", json.dumps(body), headers)
    connection.getresponse().read()
    connection.close()
