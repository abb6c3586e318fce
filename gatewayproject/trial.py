"""A trial installation, which ``make run`` starts if nothing is configured.

``make run`` creates a marker file in the data directory, so that ``manage.py`` uses the same trial
afterwards. Only ``manage.py`` reads it, never a server under uvicorn, and the settings of a real
installation override it. Plain Python, because it runs before the settings are loaded.
"""

import os
import sys
from pathlib import Path

from .environment import Environment

ROOT = Path(__file__).resolve().parent.parent
MARKER = "trial"
TEXT = "`make run` started a trial here. manage.py uses it while nothing else is configured.\n"
# If one of these, or its NAME_FILE, is set, or there is a .env, the installation is configured.
CONFIGURATION = (
    "DEBUG",
    "SECRET_KEY",
    "FERNET_KEYS",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
)


def resume() -> None:
    """Use the trial that ``make run`` started, and print its directory."""
    env_file = os.environ.get("ENV_FILE")
    has_file = env_file != os.devnull if env_file else (ROOT / ".env").exists()
    names = [name + suffix for name in CONFIGURATION for suffix in ("", "_FILE")]
    is_configured = has_file or any(map(os.environ.get, names))
    data_dir = Path(Environment().str("GATEWAY_DATA_DIR", default=str(ROOT / "var")))
    if not is_configured and (data_dir / MARKER).is_file():
        os.environ["DEBUG"] = "true"
        print(f"Trial installation: {data_dir}", file=sys.stderr)


def begin(data_dir: Path) -> None:
    """Mark ``data_dir`` as a trial."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / MARKER).write_text(TEXT)


def end(data_dir: Path) -> None:
    """Remove the mark: an installation prepared without DEBUG is not a trial."""
    (data_dir / MARKER).unlink(missing_ok=True)
