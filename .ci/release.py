#!/usr/bin/env python3
"""Cut a release: ``make release VERSION=1.2.3``, on a clean checkout.

It runs ``.ci/run``, writes the version (also of the Helm chart) and the changelog, creates a
CycloneDX SBOM of ``requirements.lock`` in ``dist``, commits and tags. The SBOM is reproducible, and
its SHA-256 is in the tag. Nothing is pushed. If a step fails, the checkout is as it was.
"""

import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
CHART = "deploy/helm/gatehouse/Chart.yaml"
WRITTEN = ("pyproject.toml", "CHANGELOG.md", CHART)
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
UNRELEASED = re.compile(r"^## \[Unreleased\].*$", re.MULTILINE)
SECTION = re.compile(r"^## ", re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)


def main(version: str) -> None:
    if not VERSION.fullmatch(version):
        refuse(f"VERSION={version} is not a version such as 1.2.3.")
    tag = f"v{version}"
    refuse_unless_releasable(version, tag)
    changelog, notes = released(read("CHANGELOG.md"), version, datetime.datetime.now(datetime.UTC))

    commit = git("rev-parse", "HEAD")
    if subprocess.run([ROOT / ".ci" / "run"], cwd=ROOT).returncode:
        refuse(".ci/run failed. Nothing was changed.")
    if git("status", "--porcelain") or git("rev-parse", "HEAD") != commit:
        refuse("The checkout changed while .ci/run ran. Nothing was released.")

    try:
        write("CHANGELOG.md", changelog)
        write("pyproject.toml", with_version(read("pyproject.toml"), version))
        chart = re.sub(r"^version: .*$", f"version: {version}", read(CHART), flags=re.MULTILINE)
        chart = re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', chart, flags=re.MULTILINE)
        write(CHART, chart)
        sbom = write_sbom(version)
        digest = hashlib.sha256(sbom.read_bytes()).hexdigest()
        message = f"Gatehouse {version}\n\n{notes}\n\n{sbom.name} SHA-256: {digest}\n"
        git("add", "--", *WRITTEN)
        git("commit", "--quiet", "--message", f"Release {version}")
        git("tag", "--annotate", "--cleanup=verbatim", "--message", message, tag)
    except BaseException:
        git("reset", "--quiet", "--hard", commit)
        raise
    print(f"Tagged {tag}. To publish it: git push --atomic origin HEAD {tag}")
    print(f"Publish {sbom.relative_to(ROOT)} with it.")


def refuse_unless_releasable(version: str, tag: str) -> None:
    """Check what needs no tests."""
    if changes := git("status", "--porcelain"):
        refuse(f"The checkout is not clean:\n{changes}")
    tags = git("tag", "--list", "v*").splitlines()
    if tag in tags:
        refuse(f"{tag} exists already.")
    newest = max((parts(name[1:]) for name in tags if VERSION.fullmatch(name[1:])), default=(0,))
    if parts(version) < newest:
        refuse(f"{version} is lower than {'.'.join(map(str, newest))}, which is released.")


def parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def released(changelog: str, version: str, today: datetime.date) -> tuple[str, str]:
    """Return the changelog with *Unreleased* as ``version``, and the text of that section."""
    heading = UNRELEASED.search(changelog)
    if not heading:
        refuse("CHANGELOG.md has no section [Unreleased].")
    following = SECTION.search(changelog, heading.end())
    notes = changelog[heading.end() : following.start() if following else None].strip()
    if not notes:
        refuse("CHANGELOG.md has nothing under [Unreleased].")
    title = f"## [Unreleased]\n\n## [{version}] - {today:%Y-%m-%d}"
    return changelog[: heading.start()] + title + changelog[heading.end() :], notes


def with_version(pyproject: str, version: str) -> str:
    """Return ``pyproject.toml`` with ``version``."""
    line = f'version = "{version}"'
    text = re.sub(r'^version = ".*"$', line, pyproject, count=1, flags=re.MULTILINE)
    if tomllib.loads(text)["project"]["version"] != version:
        refuse("pyproject.toml has no line for the version of the project.")
    return text


def write_sbom(version: str) -> Path:
    """Create the SBOM of ``requirements.lock``, check that it is complete, and return its file."""
    sbom = ROOT / "dist" / f"gatehouse-{version}.cdx.json"
    sbom.parent.mkdir(exist_ok=True)
    sbom.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="gatehouse-release-") as folder:
        python = Path(folder) / "bin" / "python"
        run(sys.executable, "-m", "venv", folder)
        install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps")
        run(python, "-m", "pip", *install, "--require-hashes", "-r", ROOT / ".ci" / "tools.lock")
        source = ("requirements", "requirements.lock", "--pyproject", "pyproject.toml")
        options = ("--mc-type", "application", "--output-reproducible", "--validate")
        run(python, "-m", "cyclonedx_py", *source, *options, "--output-file", sbom)
    content = json.loads(sbom.read_text())
    listed = {(part["name"], part["version"]) for part in content["components"]}
    pinned = set(PIN.findall(read("requirements.lock")))
    if listed != pinned:
        refuse(f"{sbom.name} and requirements.lock differ in {sorted(listed ^ pinned)}.")
    if content["metadata"]["component"]["version"] != version:
        refuse(f"{sbom.name} does not describe {version}.")
    return sbom


def read(name: str) -> str:
    return (ROOT / name).read_text()


def write(name: str, text: str) -> None:
    (ROOT / name).write_text(text)


def git(*arguments: str) -> str:
    return run("git", *arguments)


def run(*command: str | Path) -> str:
    """Run ``command`` in the checkout and return its output; report a failure and exit."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        refuse(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def refuse(reason: str) -> NoReturn:
    sys.exit(reason)


if __name__ == "__main__":
    main(*sys.argv[1:])
