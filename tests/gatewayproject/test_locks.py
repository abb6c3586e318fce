"""The locks are complete, with hashes and extras, and do not say where packages come from.

``.ci/check_locks.py`` installs them.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.installation import ROOT

LOCKS = {
    "requirements.lock": [],
    "requirements-cloud.lock": ["aws", "google", "otel"],
    "requirements-dev.lock": ["aws", "google", "otel", "dev"],
}
PYTHONS = ("3.11.0", "3.12.0", "3.13.0", "3.14.0")


def entries(lock: str) -> list[str]:
    return re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())


def pins(lock: str) -> dict[str, Requirement]:
    """Return what ``lock`` pins: name, extras, version and marker, by name."""
    found = [Requirement(entry.partition(" \\")[0]) for entry in entries(lock)]
    return {canonicalize_name(pin.name): pin for pin in found}


def wanted(lock: str) -> list[Requirement]:
    """Return what the project asks for, with the optional dependencies that are in ``lock``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [name for extra in LOCKS[lock] for name in project["optional-dependencies"][extra]]
    return [Requirement(text) for text in [*project["dependencies"], *optional]]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
    for entry in entries(lock):
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+", entry)
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_requirement_with_its_extras(lock: str, python: str) -> None:
    pinned = pins(lock)
    environment = {
        **default_environment(),
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
    }
    checked = set()

    def check(requirement: Requirement, needed_by: str, extras: frozenset[str]) -> None:
        name = canonicalize_name(requirement.name)
        pin = pinned.get(name)
        assert pin is not None, f"{needed_by} needs {requirement}"
        assert pin.marker is None or pin.marker.evaluate(environment), f"{needed_by}: {requirement}"
        [version] = pin.specifier
        assert requirement.specifier.contains(version.version), f"{needed_by} needs {requirement}"
        assert requirement.extras <= pin.extras, f"{needed_by} needs {requirement}, not only {pin}"
        if (name, extras) not in checked:
            checked.add((name, extras))
            for dependency in dependencies(name, extras, environment):
                check(dependency, name, frozenset(dependency.extras))

    for requirement in wanted(lock):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            check(requirement, "pyproject.toml", frozenset(requirement.extras))

    assert len(checked) > len(wanted(lock))


def dependencies(
    name: str, extras: frozenset[str], environment: dict[str, str]
) -> Iterator[Requirement]:
    """Return what an installed package needs in ``environment``."""
    for requirement in map(Requirement, distribution(name).requires or []):
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-cloud.lock"])
def test_the_development_lock_has_the_same_versions(lock: str) -> None:
    everything = pins("requirements-dev.lock")

    for name, pin in pins(lock).items():
        assert everything[name].specifier == pin.specifier
        assert everything[name].extras >= pin.extras
