"""The short version; ``python -m tests.harness.kill_rotator`` is the long one."""

import os
import subprocess
import sys

import pytest

from tests.installation import ROOT


@pytest.mark.slow
def test_a_rotator_that_is_killed_ten_times_loses_doubles_and_breaks_nothing() -> None:
    command = [sys.executable, "-m", "tests.harness.kill_rotator", "--kills", "10", "--keys", "150"]

    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills" in done.stdout
