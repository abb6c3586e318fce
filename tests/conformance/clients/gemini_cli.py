"""Gemini CLI, without its terminal interface."""

import json

from cli import run, write
from driver import HELLO, Target, main

SETTINGS = {"security": {"auth": {"selectedType": "gemini-api-key"}}}


def chat(target: Target) -> str:
    write(".gemini/settings.json", json.dumps(SETTINGS))
    return run(
        "gemini",
        "-p",
        HELLO,
        GOOGLE_GEMINI_BASE_URL=target.url,
        GEMINI_API_KEY=target.key,
        GEMINI_MODEL=target.model,
    )


main(globals())
