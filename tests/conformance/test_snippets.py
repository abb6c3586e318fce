"""The code of an endpoint's page, run exactly as it is printed there."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from django.test import Client

from endpoints.templatetags.client_examples import EMBEDDING_SNIPPETS, SNIPPETS
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.endpoints.gateway.client import credentials_in, mentions
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from . import environments
from .catalog import environments as declared

SNIPPET = re.compile(r"<summary>([^<]+)</summary>.*?<code id=[^>]+>(.*?)</code>", re.DOTALL)
SECONDS = 120


class Runner(NamedTuple):
    """How a snippet is run, and the environment of clients.toml that has what it needs.

    Without one, what the tests themselves have is enough.
    """

    run: Callable[[str, Path, str], list[str]]
    environment: str = ""


def shell(text: str, place: Path, environment: str) -> list[str]:
    return ["bash", "-euc", text]


def python(text: str, place: Path, environment: str) -> list[str]:
    if not environment:
        return [sys.executable, "-c", text]
    installed = environments.installed(declared()[environment])
    return [str(installed / "venv" / "bin" / "python"), "-c", text]


def node(text: str, place: Path, environment: str) -> list[str]:
    file = environments.installed(declared()[environment]) / "snippet.mjs"
    file.write_text(text)
    return ["node", str(file)]


def codex(text: str, place: Path, environment: str) -> list[str]:
    file = place / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(text)
    return ["codex", "exec", "--skip-git-repo-check", "Hello"]


def gemini_cli(text: str, place: Path, environment: str) -> list[str]:
    """Do what the first two lines say, and run the rest."""
    _, settings, *lines = text.splitlines()
    file = place / ".gemini" / "settings.json"
    file.parent.mkdir()
    file.write_text(settings.removeprefix("# "))
    return ["bash", "-euc", "\n".join(lines)]


RUNNERS = {
    "curl": Runner(shell),
    "OpenAI SDK": Runner(python),
    "Anthropic SDK": Runner(python),
    "Google Gen AI SDK": Runner(python),
    "Raw provider API": Runner(shell),
    "LangChain": Runner(python, "langchain"),
    "LlamaIndex": Runner(python, "llama-index"),
    "LiteLLM": Runner(python, "litellm"),
    "OpenAI Agents SDK": Runner(python, "openai-agents"),
    "Vercel AI SDK": Runner(node, "ai-sdk"),
    "Claude Code": Runner(shell, "claude-code"),
    "Codex": Runner(codex, "codex"),
    "Gemini CLI": Runner(gemini_cli, "gemini-cli"),
}
CHAT = {"anthropic": ("anthropic", "claude-opus-4-5"), "google": ("gemini", "gemini-2.5-pro")}
EMBED = {"google": ("gemini", "gemini-embedding-001")}
KINDS = [  # name, whether it embeds, and the kind and model of the key
    *((name, False, *CHAT.get(api, ("openai", "gpt-5-mini"))) for name, _, api in SNIPPETS),
    *(
        (name, True, *EMBED.get(api, ("openai", "text-embedding-3-small")))
        for name, _, api in EMBEDDING_SNIPPETS
    ),
]
HERE = [
    pytest.param(*facts, id=f"{facts[0]}{' embeddings' * facts[1]}".replace(" ", "-").lower())
    for facts in KINDS
    if not RUNNERS[facts[0]].environment or "CONFORMANCE_DIR" in os.environ
]


@pytest.mark.parametrize(("name", "embeds", "kind", "model"), HERE)
def test_a_snippet_runs_exactly_as_printed(
    name: str,
    embeds: bool,
    kind: str,
    model: str,
    client: Client,
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    settings: object,
    tmp_path: Path,
) -> None:
    provider.accept_keys = {OPENAI_KEY}
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    make_endpoint("assistant", key_at("my-key", kind), model=model)
    runner = RUNNERS[name]

    done = subprocess.run(
        runner.run(snippets(client, gateway)[name], tmp_path, runner.environment),
        env={
            **environments.variables(
                tmp_path, *([declared()[runner.environment]] if runner.environment else [])
            ),
            "GATEHOUSE_TOKEN": token,
        },
        cwd=tmp_path,
        input="Hello",
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    expected = "0.125" if embeds else "Hello from the simulated provider!"
    assert ("simulated-large" if name == "Raw provider API" else expected) in done.stdout
    assert provider.requests
    for request in provider.requests:
        [(_, credential)] = credentials_in(request)
        assert credential.removeprefix("Bearer ") == OPENAI_KEY
        assert not mentions(request, token)


def snippets(client: Client, gateway: str) -> dict[str, str]:
    """Return the text of each snippet of the endpoint's page, as a browser shows it."""
    host, _, port = gateway.removeprefix("http://").partition("/")[0].partition(":")
    page = client.get("/endpoints/assistant/", SERVER_NAME=host, SERVER_PORT=port)
    return {name: html.unescape(text) for name, text in SNIPPET.findall(page.content.decode())}
