"""``make release`` refuses what cannot be released, and leaves no half of a release behind.

A whole release installs packages to create the SBOM: rehearse it in a clone (CONTRIBUTING.md).
"""

import datetime
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installation import ROOT

CHANGELOG = """# Changelog

## [Unreleased]: 0.2.0

### Added

- Something.

## [0.1.0] - 2026-11-26

- The first release.
"""
RELEASED = """# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-05

### Added

- Something.

## [0.1.0] - 2026-11-26

- The first release.
"""
Release = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout in which all checks pass, after release 0.1.0."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "deploy/helm/gatehouse").mkdir(parents=True)
    chart = "deploy/helm/gatehouse/Chart.yaml"
    for name in (".ci/release.py", "pyproject.toml", "requirements.lock", chart):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / ".ci/tools.lock").write_text("this is no lock\n")
    (tmp_path / ".ci/run").write_text("#!/bin/sh\n")
    (tmp_path / ".ci/run").chmod(0o755)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Kim")
    git(tmp_path, "config", "user.email", "kim@example.com")
    commit(tmp_path)
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


@pytest.fixture
def release(checkout: Path) -> Release:
    def run(version: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ".ci/release.py", version]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True)

    return run


def git(checkout: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=checkout, text=True)


def commit(checkout: Path) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Change something")


def write(checkout: Path, name: str, text: str) -> None:
    (checkout / name).write_text(text)
    commit(checkout)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("", "VERSION= is not a version"),
        ("v0.2.0", "VERSION=v0.2.0 is not a version"),
        ("0.2", "VERSION=0.2 is not a version"),
        ("0.1.0", "v0.1.0 exists already"),
        ("0.0.9", "0.0.9 is lower than 0.1.0"),
    ],
)
def test_a_version_that_cannot_follow_is_refused(
    release: Release, version: str, reason: str
) -> None:
    done = release(version)

    assert done.returncode == 1
    assert reason in done.stderr


def test_a_checkout_with_changes_is_refused(checkout: Path, release: Release) -> None:
    (checkout / "new.py").write_text("")

    assert "not clean" in release("0.2.0").stderr
    assert (checkout / "new.py").exists()


@pytest.mark.parametrize(
    "text",
    ["# Changelog\n", "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-26\n\n- One.\n"],
)
def test_a_release_without_changes_is_refused(checkout: Path, release: Release, text: str) -> None:
    write(checkout, "CHANGELOG.md", text)

    done = release("0.2.0")

    assert done.returncode == 1
    assert "[Unreleased]" in done.stderr


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ("exit 1", ".ci/run failed"),
        ("echo >> pyproject.toml", "The checkout changed while .ci/run ran"),
        ("exit 0", "tools.lock"),  # the SBOM cannot be created
    ],
)
def test_a_release_that_fails_changes_nothing(
    checkout: Path, release: Release, checks: str, reason: str
) -> None:
    write(checkout, ".ci/run", f"#!/bin/sh\n{checks}\n")
    head = git(checkout, "rev-parse", "HEAD")

    done = release("0.2.0")

    assert done.returncode == 1
    assert reason in done.stderr
    assert git(checkout, "rev-parse", "HEAD") == head
    assert git(checkout, "tag") == "v0.1.0\n"
    assert (checkout / "CHANGELOG.md").read_text() == CHANGELOG


def test_the_changelog_gets_the_version_and_its_date() -> None:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci/release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    changelog, notes = module.released(CHANGELOG, "0.2.0", datetime.date(2027, 1, 5))

    assert changelog == RELEASED
    assert notes == "### Added\n\n- Something."
    assert '\nversion = "0.2.0"\n' in module.with_version('[project]\nversion = "0.1.0"\n', "0.2.0")
