"""Every test of the gateway also checks its logs."""

import pytest


@pytest.fixture(autouse=True)
def _check_logs(nothing_slips_out: None) -> None: ...
