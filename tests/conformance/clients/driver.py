"""Runs one function of a client's script at each target, and prints a line of JSON for each.

The feature is the argument. Targets come as JSON on stdin: ``[{"url", "key", "model"}, ...]``.
It runs in the client's own environment, so it imports nothing but the standard library.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

HELLO = "Is anybody there?"
ASKS_FOR_TOOL = "Use the tool. ¿Sí? 🙂"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Target(NamedTuple):
    """A base URL, the credential for it, and the name to call there."""

    url: str
    key: str
    model: str


def main(features: Mapping[str, Callable[[Target], Any]]) -> None:
    act = features[sys.argv[1]]
    for facts in json.load(sys.stdin):
        started = time.monotonic()
        try:
            outcome = {"result": act(Target(**facts))}
        except Exception as error:  # noqa: BLE001 - each client has its own
            outcome = {"error": f"{type(error).__name__}: {error}"}
        outcome["seconds"] = round(time.monotonic() - started, 2)
        print(json.dumps(outcome), flush=True)
