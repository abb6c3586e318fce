"""compose.yaml: it is valid, secrets are files that reach their services, and the proxy works."""

import os
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installation import ROOT, TIMEOUT, Installation, free_port

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
COMPOSE = shutil.which("docker-compose")
CONTENT = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = CONTENT["services"]


@pytest.mark.skipif(COMPOSE is None, reason="docker-compose is not installed")
def test_compose_accepts_the_file() -> None:
    environment = {**os.environ, "GATEHOUSE_HOST": "gatehouse.example.com"}

    done = subprocess.run(
        [COMPOSE, "-f", ROOT / "compose.yaml", "config", "--quiet"],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_secret_is_a_file_that_is_mounted(name: str) -> None:
    service = SERVICES[name]
    values = service.get("environment", {})

    for variable, value in values.items():
        if variable.endswith("_FILE"):
            assert Path(value).name in service["secrets"]
        else:
            assert not re.search("KEY|PASSWORD|DATABASE_URL|TOKEN", variable)
    for secret in service.get("secrets", []):
        file = CONTENT["secrets"][secret]["file"]
        assert file.startswith("./secrets/")
        assert Path(file).name in (ROOT / "docs/deploying.md").read_text()


@pytest.mark.parametrize("name", ["gatehouse", "prepare"])
def test_gatehouse_has_no_privileges_and_a_read_only_root(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in service  # only nginx can connect, so it is trusted


@pytest.fixture
def proxied(prepared: Installation, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """nginx with the configuration of compose.yaml, in front of Gatehouse: its ports."""
    https, http = free_port(), free_port()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", tmp_path / "tls_key", "-out", tmp_path / "tls_certificate"]
    subprocess.run(command, check=True, capture_output=True)
    with prepared.served(HTTPS="true", FORWARDED_ALLOW_IPS="*") as server:
        config = (ROOT / "deploy/compose/nginx.conf").read_text()
        for old, new in {
            "gatehouse:8000": f"127.0.0.1:{server.port}",
            "listen 80;": f"listen 127.0.0.1:{http};",
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "/run/secrets": str(tmp_path),
            "/run/nginx.pid": f"{tmp_path}/pid",
        }.items():
            assert old in config
            config = config.replace(old, new)
        (tmp_path / "nginx.conf").write_text(config)
        process = subprocess.Popen(
            [NGINX, "-e", "stderr", "-c", tmp_path / "nginx.conf", "-g", "daemon off;"]
        )
        try:
            yield https, http
        finally:
            process.terminate()
            process.wait(TIMEOUT)


@pytest.mark.skipif(
    not (NGINX and shutil.which("openssl")), reason="nginx or openssl is not installed"
)
def test_nginx_serves_gatehouse_over_tls(proxied: tuple[int, int], tmp_path: Path) -> None:
    https, http = proxied
    context = ssl.create_default_context(cafile=tmp_path / "tls_certificate")

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: object) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay)
    page = retried(lambda: opener.open(f"https://127.0.0.1:{https}/login/"))
    assert page.status == 200
    assert "__Host-csrf" in page.headers["Set-Cookie"]
    with pytest.raises(urllib.error.HTTPError, match="401"):  # of the gateway
        opener.open(f"https://127.0.0.1:{https}/gateway/v1/models")
    with pytest.raises(urllib.error.HTTPError) as redirect:
        opener.open(f"http://127.0.0.1:{http}/x?y=1")
    assert redirect.value.code == 308
    assert redirect.value.headers["Location"] == "https://127.0.0.1/x?y=1"


def retried(request: Callable[[], Any]) -> Any:
    """Wait until nginx listens."""
    for _ in range(TIMEOUT * 10):
        try:
            return request()
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("nginx does not listen")
