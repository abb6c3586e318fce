"""opencode, without its terminal interface."""

import json

from cli import run, write
from driver import HELLO, Target, main


def chat(target: Target) -> str:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Gatehouse",
        "options": {"baseURL": target.url, "apiKey": target.key},
        "models": {target.model: {}},
    }
    name = f"gatehouse/{target.model}"
    config = {"provider": {"gatehouse": provider}, "model": name, "small_model": name}
    write(".config/opencode/opencode.json", json.dumps({**config, "share": "disabled"}))
    return run("opencode", "run", HELLO)


main(globals())
