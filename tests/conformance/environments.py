"""Install what ``clients.toml`` pins, each environment in a directory of its own."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .catalog import SCRIPTS, Client, Environment

INSTALL_SECONDS = 900
# No client looks for updates or sends telemetry, and none reads the user's own settings.
QUIET = {
    "CI": "true",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "GEMINI_CLI_TRUST_WORKSPACE": "true",  # which it would ask
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_COLOR": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
KEPT = ("LANG", "LC_ALL", "TMPDIR")


def directory() -> Path:
    """Return where clients are installed; ``make conformance`` says it."""
    return Path(os.environ["CONFORMANCE_DIR"]).resolve()


@cache
def installed(environment: Environment) -> Path:
    """Install an environment unless it is there, and return its directory.

    Skips the test if a tool is missing or the packages cannot be installed.
    """
    place = directory() / environment.name
    pins = [*environment.python, *environment.npm]
    done, wanted = place / "installed.txt", "\n".join(pins)
    if done.exists() and done.read_text() == wanted:
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if environment.tool:
        require(environment.tool)
    if environment.python:
        _run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")])
        pip = [sys.executable, "-m", "pip", "--python", str(place / "venv"), "install", "--quiet"]
        _run([*pip, "--disable-pip-version-check", *environment.python])
    if environment.npm:
        npm = require("npm")
        _run([npm, "install", "--prefix", str(place), "--no-audit", "--no-fund", *environment.npm])
    done.write_text(wanted)
    return place


def version(client: Client) -> str:
    """Return the version that is pinned, or that of this machine's tool."""
    if not client.environment.tool:
        return client.environment.pins[client.package]
    if not (path := shutil.which(client.environment.tool)):
        return ""
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60).stdout
    return found[0] if (found := re.search(r"\d+(\.\d+)*", shown)) else ""


def require(tool: str) -> str:
    """Return the path of a tool of this machine, or skip the test."""
    found = shutil.which(tool)
    if not found:
        pytest.skip(f"{tool} is not installed")
    return found


def command(client: Client) -> list[str]:
    """Return the command that runs a client's script in its environment."""
    place, script = installed(client.environment), SCRIPTS / client.script
    if script.suffix == ".mjs":  # Node.js looks for packages beside the script
        for module in SCRIPTS.glob("*.mjs"):
            shutil.copy(module, place)
        return [require("node"), str(place / script.name)]
    if script.suffix == ".java":
        return [require("java"), str(script)]
    python = place / "venv" / "bin" / "python"
    return [str(python) if client.environment.python else sys.executable, str(script)]


def variables(home: Path, *environments: Environment) -> dict[str, str]:
    """Return the variables of a client's process: a new home, and the tools of environments."""
    places = [installed(environment) for environment in environments]
    tools = [str(place / part) for place in places for part in ("venv/bin", "node_modules/.bin")]
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.pathsep.join([*tools, os.environ["PATH"]])
    return {**kept, **QUIET, "PATH": path, "HOME": str(home), "XDG_CONFIG_HOME": f"{home}/.config"}


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        last = str(error.stderr or error).strip().splitlines()[-1]
        pytest.skip(f"cannot be installed: {last[:200]}")
