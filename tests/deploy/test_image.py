"""The image: built from the Dockerfile, and run without privileges on a read-only root.

Needs root, buildah and debootstrap. No registry is used: the base is Debian with its Python, and
the wheels are downloaded once beside the build. ``buildah run`` cannot make the root read-only, and
other runtimes need cgroups, so the image is mounted read-only in a namespace of its own.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.installation import ROOT, TIMEOUT, Installation, Server, free_port, production_settings

TOOLS = ("buildah", "debootstrap", "unshare", "setpriv")
MISSING = [name for name in TOOLS if not shutil.which(name)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("image"),  # which is built once
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="building an image needs root here"),
]
EPOCH = "1700000000"
SECRETS = ("SECRET_KEY", "FERNET_KEYS", "DATABASE_URL", "METRICS_TOKEN")


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


class Builder:
    """buildah with a store of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        store = ("--root", place / "store", "--runroot", place / "run", "--storage-driver", "vfs")
        self.command = ("buildah", *store)

    def __call__(self, *arguments: str | Path) -> str:
        return run(*self.command, *arguments, cwd=ROOT)

    def base(self) -> None:
        """Make an image of Debian with Python, as localhost/base."""
        root = self.place / "base"
        suite = run("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME")
        packages = "--include=python3,python3-venv,ca-certificates"
        made = subprocess.run(["debootstrap", "--variant=minbase", packages, suite, root])
        if made.returncode:
            pytest.skip("debootstrap reaches no mirror of Debian")
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        container = self("from", "scratch")
        self("add", "--quiet", container, root, "/")
        self("commit", "--quiet", container, "localhost/base")
        self("rm", container)

    def wheels(self) -> None:
        """Download what the lock names, for the Python of the base."""
        version = run("chroot", self.place / "base", "python3", "-c", PYTHON_VERSION)
        options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", version)
        lock = ("--require-hashes", "-r", ROOT / "requirements.lock")
        pip = (sys.executable, "-m", "pip", "download")
        run(*pip, *options, *lock, "--dest", self.place / "wheels")
        config = "[global]\nno-index = true\nfind-links = /wheels\n"
        (self.place / "pip.conf").write_text(config)

    def build(self, tag: str) -> str:
        """Build the Dockerfile, mount the image and return where."""
        volumes = (f"{self.place}/wheels:/wheels:ro", f"{self.place}/pip.conf:/etc/pip.conf:ro")
        self(
            *("build", "--quiet", "--isolation", "chroot", "--format", "docker", "--no-cache"),
            *("--build-arg", "BASE=localhost/base", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"),
            *[part for volume in volumes for part in ("--volume", volume)],
            *("--ignorefile", ".dockerignore", "--tag", tag, "."),
        )
        return self("mount", self("from", tag))


PYTHON_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("image"))
    builder.base()
    builder.wheels()
    yield builder
    builder("rm", "--all")
    builder("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def image(builder: Builder) -> Path:
    return Path(builder.build("gatehouse"))


# Everything is read-only but /tmp, which is empty, and the data directory.
IN_IMAGE = """
mount --bind {image} {image} && mount -o remount,bind,ro {image}
mount -t proc proc {image}/proc && mount -t tmpfs tmpfs {image}/tmp
mount --bind {data} {image}/var/lib/gatehouse
cd {image} && exec chroot --userspec=10001:10001 --groups= . \
    /bin/sh -c 'cd /opt/gatehouse && exec "$@"' sh "$@"
"""


class Container(Installation):
    """Gatehouse in the mounted image."""

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        script = IN_IMAGE.format(image=self.checkout, data=self.data_dir)
        variables = [f"{name}={value}" for name, value in {**self.settings, **settings}.items()]
        return subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "sh", "-euc", script),
                *("sh", "env", "-i", *variables, *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def config(builder: Builder, image: Path) -> dict[str, Any]:
    """What the image says of itself: its command, its user and its environment."""
    found = json.loads(builder("inspect", "--type", "image", "gatehouse"))
    return cast(dict[str, Any], found["Docker"]["config"])


@pytest.fixture
def container(image: Path, config: dict[str, Any], tmp_path: Path) -> Container:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 10001, 10001)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # unlike with a real mount, its parents count
        folder.chmod(0o755)
    own = dict(variable.split("=", 1) for variable in config["Env"])
    return Container(data, own | production_settings(), image)


def output(container: Container, *command: str, **settings: str) -> str:
    with container.start(*command, **settings) as process:
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_image_serves_as_another_user_on_a_read_only_root(
    container: Container, config: dict[str, Any], workers: str
) -> None:
    assert output(container, "id", "-u").strip() == "10001"
    assert "Created the account admin" in output(container, "python", "manage.py", "prepare")
    assert "Everything is up to date" in output(container, "python", "manage.py", "prepare")

    port = free_port()
    settings = {"UVICORN_PORT": str(port), "WEB_CONCURRENCY": workers}
    with container.start(*config["Cmd"], **settings) as process:
        server = Server(port, process)
        try:
            server.wait_until_ready()
            assert server.ask("GET", "/readyz").status == 200
            check, *health = config["Healthcheck"]["Test"]
            assert check == "CMD"
            assert output(container, *health, **settings) == ""
            page = server.ask("GET", "/login/")
            assert page.status == 200
            sheet = page.text.partition('href="/static/')[2].partition('"')[0]
            assert server.ask("GET", f"/static/{sheet}").status == 200
        finally:
            [server_id] = (
                Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            )
            os.kill(int(server_id), signal.SIGTERM)  # to process 1 of the container
            process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


def test_nothing_in_the_image_can_be_changed(container: Container) -> None:
    attempt = "import os; open('/opt/gatehouse/x', 'w')"

    with container.start("python", "-c", attempt) as process:
        _, err = process.communicate(timeout=TIMEOUT)

    assert "Read-only file system" in err


def test_the_image_has_no_tools_to_build_with(image: Path) -> None:
    app = image / "opt/gatehouse"

    assert not list(app.glob(".venv/bin/pip*"))
    assert not list(app.glob(".venv/lib/*/site-packages/pip*"))
    for name in ("gcc", "cc", "make", "git"):
        assert not (image / "usr/bin" / name).exists()
    assert {path.name for path in app.iterdir()} == {
        *("LICENSE", "apikeys", "endpoints", "gatewayproject", "manage.py", "pyproject.toml"),
        *(".venv", "static", "staticfiles", "templates"),
    }
    assert not (image / "src").exists()


def test_the_image_is_for_no_user_by_name_and_has_no_secret(config: dict[str, Any]) -> None:
    assert config["User"] == "10001:10001"
    assert not [variable for variable in config["Env"] if variable.startswith(SECRETS)]


def test_the_same_inputs_give_the_same_files(builder: Builder, image: Path) -> None:
    again = Path(builder.build("gatehouse:again"))

    assert contents(image / "opt/gatehouse") == contents(again / "opt/gatehouse")


def contents(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, date and content of each file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (facts.st_mode, int(facts.st_mtime), content)
    return found
