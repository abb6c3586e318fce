"""What was measured, as a table: on the terminal, and in docs/clients.md."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from . import environments
from .catalog import ERRORS, FEATURES, Client, clients

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
COLUMNS = {
    "models": "list models",
    "retrieve": "get a model",
    "chat": "chat",
    "stream": "stream",
    "tools": "tools",
    "embeddings": "embeddings",
    "wrong_token": "wrong token",
    "refused_key": "refused key",
    "broken_stream": "broken stream",
}
WORDS = {"passed": "yes", "failed": "**no**", "skipped": "not run"}
INTRODUCTION = """# Clients

Each client ran unmodified against a Gatehouse server and a simulated provider, both on one machine.
*Yes* means that the client returned the same as directly at the provider, and that the provider
received the same request: with the model of the route, the provider's key, and no gateway token.
The requests of Claude Code, Codex, Gemini CLI and opencode have IDs of a session, so of these only
the model and the credentials are checked.

- *wrong token*: the client shows the gateway's message within 3 seconds; a command-line program
  within 13, with its start.
- *refused key*: a key that the provider refuses is tried once, or as often as the client tries it
  directly at the provider: the command-line programs repeat a request after any error.
- *broken stream*: the provider breaks off within an event, and the client shows the gateway's
  message.
- *–*: the client has no such call, or it is not checked here.

`make conformance` repeats this and writes this page. Measured on {date}.

{table}"""

outcomes: dict[tuple[str, str], str] = {}


def note(client: Client, feature: str, result: pytest.TestReport) -> None:
    """Remember the outcome of one check."""
    if result.when == "call" or result.outcome != "passed":
        outcomes[client.script, feature] = result.outcome


def table() -> str:
    """Return the table of all clients in Markdown."""
    head = ["client", "version", *(COLUMNS[name] for name in (*FEATURES, *ERRORS))]
    lines = [head, ["---"] * len(head)]
    for client in clients():
        cells = [WORDS.get(outcomes.get((client.script, name), ""), "–") for name in COLUMNS]
        lines.append([client.name, environments.version(client), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_if_complete() -> None:
    """Write docs/clients.md, if every check of every client ran or was skipped."""
    if all((client.script, check) in outcomes for client in clients() for check in client.checks):
        date = datetime.now(UTC).date().isoformat()
        PAGE.write_text(INTRODUCTION.format(date=date, table=table()))
