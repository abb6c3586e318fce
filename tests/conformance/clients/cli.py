"""What the scripts of command-line programs share."""

import os
import subprocess
from pathlib import Path

SECONDS = 90


def run(*command: str, **variables: str) -> str:
    """Return what a command prints. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(
        command,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr).strip()[-5000:])
    return done.stdout.strip()


def write(path: str, text: str) -> None:
    """Write a file below the home directory."""
    file = Path.home() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
