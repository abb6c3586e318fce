"""Fail if a locked package has a known vulnerability.

pip-audit queries a vulnerability service on the internet. If that is unreachable, one line per lock
reports it and the check passes. Run it with a Python that has ``.ci/tools.lock``.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-cloud.lock", "requirements-dev.lock")
UNREACHABLE = re.compile(
    r"requests\.exceptions\.\w+|ConnectionError|ServiceError|Could not connect"
)


def main() -> None:
    vulnerable = [lock for lock in LOCKS if not audit(lock)]
    if vulnerable:
        sys.exit(f"Vulnerable: {', '.join(vulnerable)}")


def audit(lock: str) -> bool:
    """Print what is known about the packages of ``lock``; return whether it is harmless."""
    command = (sys.executable, "-m", "pip_audit", "--requirement", lock)
    options = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    if not done.stdout:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        if not UNREACHABLE.search(reason):
            sys.exit(f"pip-audit cannot read {lock}:\n{done.stderr}")
        print(f"{lock} is not audited: the vulnerability service is unreachable ({reason[:150]}).")
        return True

    packages = json.loads(done.stdout)["dependencies"]
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, vuln) for package in audited for vuln in package["vulns"]]
    for package, vuln in found:
        fixed = ", ".join(vuln["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {vuln['id']}, fixed in {fixed}")
    print(
        f"{lock}: audited {len(audited)} of {len(packages)} packages, {len(found)} vulnerabilities."
    )
    return not found


if __name__ == "__main__":
    main()
