"""The systemd units: systemd accepts them, and their processes can do little."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installation import ROOT

UNITS = ROOT / "deploy/systemd"
SERVICES = ["gatehouse.service", "gatehouse-command@.service"]
MAX_EXPOSURE = 2.0  # of 10, as systemd-analyze counts it

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for file in UNITS.iterdir():  # with programs that are there
        text = re.sub(r"^(ExecStart(?:Pre)?)=\S+", r"\1=/bin/true", file.read_text(), flags=re.M)
        (tmp_path / file.name).write_text(text)

    done = subprocess.run(
        [
            *("systemd-analyze", "verify", "--man=no", tmp_path / "gatehouse.service"),
            *(tmp_path / f"gatehouse-command@x.{kind}" for kind in ("service", "timer")),
        ],
        capture_output=True,
        text=True,
    )

    assert str(tmp_path) not in done.stderr  # what it says of this machine's own units is not ours
    assert "gatehouse" not in done.stderr


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_exposes_little(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name.replace("@", "")
    shutil.copy(UNITS / name, unit)

    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
    )

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


def test_both_services_have_the_same_user_settings_and_limits() -> None:
    first, second = ((UNITS / name).read_text() for name in SERVICES)
    hardening = re.compile(
        r"^(?:User|Group|WorkingDirectory|State\w+|UMask|Environment=ENV_FILE|Capab\w+|Lock\w+y|"
        r"NoNew\w+|Private\w+|Proc\w+|Protect\w+|Remove\w+|Restrict\w+|System\w+)=.*",
        re.M,
    )

    assert hardening.findall(first) == hardening.findall(second)
    assert len(hardening.findall(first)) > 25


def test_the_server_may_stop_as_slowly_as_it_needs() -> None:
    text = (UNITS / "gatehouse.service").read_text()

    graceful = re.search(r"UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=(\d+)", text)
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)
    assert int(stop[1]) >= int(graceful[1]) + 3 + 10  # DRAIN_SECONDS, and time to spare


def test_the_settings_file_names_every_secret_by_its_file() -> None:
    lines = (UNITS / "gatehouse.env").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if not line.startswith("#")}

    assert {"SECRET_KEY_FILE", "FERNET_KEYS_FILE", "DATABASE_URL_FILE"} <= names
    documented = (ROOT / ".env.example").read_text()
    for name in names:
        assert f"#{name.removesuffix('_FILE')}=" in documented
