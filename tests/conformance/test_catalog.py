"""``clients.toml`` is consistent with the scripts, without installing anything."""

import re

import pytest

from .catalog import SCRIPTS, Client, Environment, clients, environments

EXACT = re.compile(r"(@?[\w./-]+)(\[[\w,]+\])?(==|@)\d+(\.\d+)+")


@pytest.mark.parametrize("environment", environments().values(), ids=lambda found: found.name)
def test_every_version_is_pinned(environment: Environment) -> None:
    assert all(EXACT.fullmatch(pin) for pin in (*environment.python, *environment.npm))


@pytest.mark.parametrize("client", clients(), ids=lambda client: client.script)
def test_a_script_has_a_function_for_each_feature(client: Client) -> None:
    text = (SCRIPTS / client.script).read_text()

    assert client.environment.tool or client.package in client.environment.pins
    for feature in {*client.features, "chat"}:
        assert re.search(rf"^(def|async def|async function|\s*static \w+) {feature}\(", text, re.M)


def test_every_script_belongs_to_a_client() -> None:
    scripts = {path.name for path in SCRIPTS.iterdir() if path.is_file()}

    assert scripts - {client.script for client in clients()} == {
        "cli.py",
        "driver.py",
        "driver.mjs",
    }
