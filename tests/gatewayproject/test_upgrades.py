"""An upgrade from the newest release: its data, its keys and its running servers keep working.

The newest release is the newest tag ``v*`` that this commit contains; without one (nothing is
released, or the clone has no tags), it is this commit itself.
"""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.installation import ROOT, Installation, Server
from tests.installation_fixtures import SECRET

MAKE_ENDPOINT = """
from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
endpoint = Endpoint.objects.create(name="chat")
Route.objects.create(endpoint=endpoint, api_key=ApiKey.objects.get(name="before"), model="gpt-5")
"""


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The code of the newest release."""
    tag = git("describe", "--tags", "--abbrev=0", "--match=v*").stdout.decode().strip()
    archive = git("archive", "--format=tar", tag or "HEAD")
    if archive.returncode:
        pytest.skip("needs a git checkout")
    checkout = tmp_path / "released"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(checkout, filter="data")
    return checkout


def run(installation: Installation, *arguments: str, stdin: str = "") -> str:
    done = installation.manage(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def create_key(installation: Installation, name: str) -> None:
    run(installation, "create_api_key", name, "--provider", "openai", stdin=SECRET)


def offers_chat(server: Server, token: str) -> bool:
    answer = server.ask("GET", "/gateway/v1/models", None, {"Authorization": f"Bearer {token}"})
    assert answer.status == 200, answer.text
    return [model["id"] for model in json.loads(answer.text)["data"]] == ["chat"]


def test_data_of_the_newest_release_and_its_servers_survive_an_upgrade(
    installation: Installation, released: Path
) -> None:
    account = {"DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
    new = installation.with_settings(**account)
    old = new.run_from(released)
    run(old, "prepare")
    create_key(old, "before")
    run(old, "shell", "-c", MAKE_ENDPOINT)
    token = run(old, "create_gateway_token", "app", "--endpoint=chat", "--never-expires").strip()

    with old.served() as old_server:
        assert offers_chat(old_server, token)
        run(new, "prepare")  # migrates while servers of the release are running
        assert offers_chat(old_server, token)
        assert old_server.sign_in("admin", account["DJANGO_SUPERUSER_PASSWORD"]) == 302
        create_key(old, "meanwhile")

        with new.served() as new_server:
            assert offers_chat(new_server, token)
            assert offers_chat(old_server, token)
            create_key(new, "after")

    names = [row["name"] for row in json.loads(run(new, "list_api_keys", "--json"))]
    assert sorted(names) == ["after", "before", "meanwhile"]
    run(new, "rotate_master_key", "--verify")  # every credential can be opened
