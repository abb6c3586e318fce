"""Two hosts behind a load balancer are restarted one after the other without losing a request."""

import shutil

import pytest

from tests.rolling_restart import rolling_restart

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("restarts")]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_rolling_restart_loses_no_request(kind: str, workers: int) -> None:
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")

    seen = rolling_restart(kind, workers)

    assert set(seen.requests) == {"whole"}, seen.requests
    assert set(seen.streams) == {"whole"}, seen.streams
