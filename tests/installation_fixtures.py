"""An installation that the tests of set-up and serving run as others would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .installation import Installation, Server, own_database, production_settings

SECRET = "sk-made-up-for-the-installation-0000000"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Production settings, an empty database, nothing prepared yet."""
    with own_database() as database:
        static = {"STATIC_ROOT": str(tmp_path / "static")}
        yield Installation(tmp_path / "data", {**production_settings(), **static, **database})


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Installation]:
    """What ``make run`` finds on a fresh machine: DEBUG and nothing else."""
    with own_database() as database:
        yield Installation(tmp_path / "data", {"DEBUG": "true", **database})


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A prepared installation with the API keys ``one`` and ``two``, which is only copied."""
    place = tmp_path_factory.mktemp("template")
    with own_database() as database:
        static = {"STATIC_ROOT": str(place / "static")}
        made = Installation(place / "data", {**production_settings(), **static, **database})
        assert made.manage("prepare").returncode == 0
        for name in ("one", "two"):
            created = made.manage("create_api_key", name, "--provider", "openai", stdin=SECRET)
            assert created.returncode == 0, created.stderr
        yield made


@pytest.fixture
def house(template: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation with two API keys."""
    with own_database(template) as database:
        yield template.copied_to(tmp_path / "data", database)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A prepared installation that many tests share; none of them changes it."""
    place = tmp_path_factory.mktemp("prepared")
    with own_database() as database:
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
