"""Claude Code, without its terminal interface."""

from cli import run
from driver import HELLO, Target, main


def variables(target: Target) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_AUTH_TOKEN": target.key,
        "ANTHROPIC_MODEL": target.model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": target.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def chat(target: Target) -> str:
    return run("claude", "-p", HELLO, **variables(target))


main(globals())
