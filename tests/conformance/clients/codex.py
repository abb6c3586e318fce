"""Codex, without its terminal interface."""

from cli import run, write
from driver import HELLO, Target, main

CONFIG = """
model = "{target.model}"
model_provider = "gatehouse"

[model_providers.gatehouse]
name = "Gatehouse"
base_url = "{target.url}"
env_key = "GATEHOUSE_TOKEN"
wire_api = "responses"
supports_websockets = false
"""


def chat(target: Target) -> str:
    write(".codex/config.toml", CONFIG.format(target=target))
    return run("codex", "exec", "--skip-git-repo-check", HELLO, GATEHOUSE_TOKEN=target.key)


main(globals())
