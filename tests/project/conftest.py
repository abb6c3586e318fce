"""An installation that the tests of set-up and serving run as others would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.installation import (
    Installation,
    Server,
    empty_database,
    production_settings,
)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Production settings, an empty database, nothing prepared yet."""
    with empty_database() as database:
        static = {"STATIC_ROOT": str(tmp_path / "static")}
        yield Installation(tmp_path / "data", {**production_settings(), **static, **database})


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Installation]:
    """What ``make run`` finds on a fresh machine: DEBUG and nothing else."""
    with empty_database() as database:
        yield Installation(tmp_path / "data", {"DEBUG": "true", **database})


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A prepared installation that many tests share; none of them changes it."""
    place = tmp_path_factory.mktemp("prepared")
    with empty_database() as database:
        static = {"STATIC_ROOT": str(place / "static")}
        account = {"DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
        shared = Installation(
            place / "data", {**production_settings(), **static, **database, **account}
        )
        result = shared.manage("prepare")
        assert result.returncode == 0, result.stderr
        yield shared


@pytest.fixture(scope="session")
def server(prepared: Installation) -> Iterator[Server]:
    """The shared installation, served."""
    with prepared.served() as server:
        yield server
