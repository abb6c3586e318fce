#!/usr/bin/env python3
"""Check that every lock installs, with old and new pip and with uv, whatever the index has.

It downloads the locked packages once, puts a newer version of each beside them, and installs each
lock from that folder alone. The oldest pip also resolves it, as it is the strictest.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-cloud.lock", "requirements-dev.lock")
EVERYTHING = "requirements-dev.lock"  # has the pins of the other two
# The oldest pip that we support. Python 3.12 removed what it needs: there it is the bundled one.
OLDEST = "pip==23.0" if sys.version_info < (3, 12) else ""
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z0-9,._-]+\])?==([^\s;]+)", re.MULTILINE)


def main() -> None:
    os.environ.pop("PYTHONPATH", None)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gatehouse-locks-") as folder:
        work = Path(folder)
        old, new, uv = tools(work)
        packages = work / "packages"
        hashed = ("--require-hashes", "-r", ROOT / EVERYTHING)
        run(old, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", packages, *hashed)
        put_newer_versions_beside(packages)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [
                pool.submit(install, work, tool, lock, packages)
                for lock in reversed(LOCKS)
                for tool in (old, new, uv)
            ]
            for job in jobs:
                print(job.result(), flush=True)
    print(f"Every lock installs ({time.monotonic() - started:.0f} s).")


def tools(work: Path) -> tuple[Path, Path, Path]:
    """Return the interpreters that have the oldest pip, the newest pip, and uv."""
    found = []
    for name, wanted in (("old-pip", OLDEST), ("new-pip", "pip"), ("uv", "uv")):
        run(Path(sys.executable), "-m", "venv", work / name)
        python = work / name / "bin" / "python"
        if wanted:
            run(python, "-m", "pip", "install", "--quiet", "--upgrade", wanted)
        found.append(python)
    return tuple(found)


def put_newer_versions_beside(packages: Path) -> None:
    """Write an empty wheel of a later version for each pin."""
    for name, version in PIN.findall((ROOT / EVERYTHING).read_text()):
        newer = re.sub(r"\.post\d+$", "", version) + ".post9999"
        stem = f"{re.sub(r'[-_.]+', '_', name)}-{newer}"
        with zipfile.ZipFile(packages / f"{stem}-py3-none-any.whl", "w") as wheel:
            about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {newer}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", about)
            tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{stem}.dist-info/WHEEL", tags)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


def install(work: Path, tool: Path, lock: str, packages: Path) -> str:
    """Install ``lock`` with the pip or uv of ``tool`` and check it; return how long it took."""
    started = time.monotonic()
    name = tool.parent.parent.name
    target = work / f"{name}-{lock}"
    run(tool, "-m", "venv", "--without-pip", target)
    python = target / "bin" / "python"
    source = ("--no-index", "--find-links", packages, "--require-hashes", "-r", ROOT / lock)
    if name == "uv":
        command, where = ("-m", "uv", "pip"), ("--python", python)
        run(tool, *command, "install", *where, "--quiet", "--no-deps", *source)
        run(tool, *command, "check", *where)
    else:
        command = ("-m", "pip", "--python", python)
        if name == "old-pip":
            run(tool, *command, "install", "--quiet", "--dry-run", *source)
        run(tool, *command, "install", "--quiet", "--no-compile", "--no-deps", *source)
        run(tool, *command, "check")
    return f"{lock} installs with {name} ({time.monotonic() - started:.0f} s)"


def run(python: Path, *arguments: str | Path) -> None:
    done = subprocess.run([python, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
