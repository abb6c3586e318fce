"""The runbook of docs/rotation.md with real servers and real commands."""

import signal
import time
from collections.abc import Callable

import pytest

from apikeys.sealing import fingerprint_of
from gatewayproject.keyring import generate_master_key
from tests.installation import Installation, Server


def keys_of(house: Installation) -> tuple[str, str]:
    return house.settings["FERNET_KEYS"], generate_master_key()


def with_keys(house: Installation, *keys: str) -> Installation:
    return house.with_settings(FERNET_KEYS=",".join(keys))


def soon(is_so: Callable[[], bool]) -> bool:
    for _ in range(100):
        if is_so():
            return True
        time.sleep(0.1)
    return False


def ready(server: Server) -> int:
    return server.ask("GET", "/readyz").status


def test_the_runbook_from_beginning_to_end(house: Installation) -> None:
    old, new = keys_of(house)
    before, both, after = house, with_keys(house, new, old), with_keys(house, new)

    with before.served():
        refused = both.manage("rotate_master_key")
        assert refused.returncode == 1
        assert f"does not have the master key {fingerprint_of(new)}" in refused.stderr

    with with_keys(house, old, new).served():
        refused = both.manage("rotate_master_key")
        assert refused.returncode == 1
        assert f"encrypts with {fingerprint_of(old)}" in refused.stderr

    with both.served() as server:
        verified = both.manage("rotate_master_key", "--verify")
        assert (verified.returncode, "3 rows still need another" in verified.stderr) == (3, True)
        would = both.manage("rotate_master_key", "--dry-run")
        assert (would.returncode, "Would re-encrypt 3 of 3 rows." in would.stdout) == (0, True)

        rotated = both.manage("rotate_master_key")
        assert rotated.returncode == 0, rotated.stderr
        assert "Re-encrypted 3 rows.\nAll 3 rows are readable with it alone.\n" in rotated.stdout
        assert "Next: Run “python manage.py rotate_master_key --verify”" in rotated.stdout
        assert "No running server was found" not in rotated.stdout
        verified = both.manage("rotate_master_key", "--verify")
        assert verified.returncode == 0
        assert f"Next: Remove {fingerprint_of(old)} from FERNET_KEYS" in verified.stdout
        assert ready(server) == 200

    with after.served() as server:
        assert ready(server) == 200
        assert after.manage("check", "--database", "default").returncode == 0
        listed = after.manage("list_api_keys").stdout
        assert listed.count("yes") == 2
        assert "Nothing to do." in after.manage("rotate_master_key").stdout


def test_dropping_the_old_key_too_early_is_noticed_and_fixed(house: Installation) -> None:
    old, new = keys_of(house)
    early = with_keys(house, new)

    checked = early.manage("check", "--database", "default")
    assert checked.returncode == 1
    assert f"2 encrypted rows need the master key {fingerprint_of(old)}" in checked.stderr
    assert checked.stderr.count("in FERNET_KEYS.") == 1  # one lost key is one error
    assert "unknown" not in checked.stderr
    assert early.manage("migrate").returncode == 1
    prepared = early.manage("prepare")
    assert prepared.returncode == 0
    assert f"2 encrypted rows need the master key {fingerprint_of(old)}" in prepared.stderr
    with early.served() as server:
        assert ready(server) == 503
        assert server.ask("GET", "/login/").status == 200
    rotated = early.manage("rotate_master_key")
    assert rotated.returncode == 3
    assert "No master key decrypts 3 rows:" in rotated.stderr

    assert with_keys(house, new, old).manage("rotate_master_key").returncode == 0
    assert early.manage("check", "--database", "default").returncode == 0


def test_a_lost_master_key_is_given_up(house: Installation) -> None:
    _, new = keys_of(house)
    after = with_keys(house, new)
    with after.served() as server:
        assert ready(server) == 503
        forgotten = after.manage("rotate_master_key", "--forget-unreadable", "--yes")
        assert forgotten.returncode == 0, forgotten.stderr
        assert "Destroyed 3 rows.\n" in forgotten.stdout
        assert "Enter the credentials of these API keys again:\n  one\n  two\n" in forgotten.stdout
        assert "Next: Nothing to do." in forgotten.stdout
        assert ready(server) == 200


def test_the_first_rotation_with_the_new_key_last_does_nothing_and_explains_why(
    house: Installation,
) -> None:
    old, new = keys_of(house)
    wrong = with_keys(house, old, new)

    for arguments in ((), ("--verify",), ("--dry-run",)):
        result = wrong.manage("rotate_master_key", *arguments)

        assert result.returncode == 1
        shown = f"{fingerprint_of(old)} already encrypts everything, and {fingerprint_of(new)}"
        assert f"{shown} is not used yet" in result.stderr


def test_a_missing_server_is_reported(house: Installation) -> None:
    old, new = keys_of(house)

    result = with_keys(house, new, old).manage("rotate_master_key")

    assert result.returncode == 0
    assert result.stdout.count("No running server was found") == 1


def test_a_reversed_order_is_refused_with_the_reason(house: Installation) -> None:
    old, new = keys_of(house)
    assert with_keys(house, new, old).manage("rotate_master_key").returncode == 0

    refused = with_keys(house, old, new).manage("rotate_master_key")

    assert refused.returncode == 1
    assert "order of FERNET_KEYS is reversed" in refused.stderr
    assert with_keys(house, old, new).manage("rotate_master_key", "--force").returncode == 0


@pytest.mark.parametrize("bad", ["twice", "malformed"])
def test_a_bad_key_is_refused_before_the_first_write(house: Installation, bad: str) -> None:
    old, new = keys_of(house)
    keys = [new, old, new] if bad == "twice" else [new[:-4], old]

    result = with_keys(house, *keys).manage("rotate_master_key")

    assert result.returncode != 0
    assert "FERNET_KEYS: key" in result.stderr
    assert new not in result.stderr
    assert (
        "Would re-encrypt 3 of"
        in with_keys(house, new, old).manage("rotate_master_key", "--dry-run").stdout
    )


PROCESSES = "from apikeys.models import *; print(*ServerProcess.objects.live())"


def test_a_process_is_known_before_it_serves_and_forgotten_when_it_ends(
    house: Installation,
) -> None:
    def known(pid: int) -> bool:
        return f"(process {pid})" in house.manage("shell", "-c", PROCESSES).stdout

    with house.served(DRAIN_SECONDS="0") as server:
        pid = server.process.pid
        assert known(pid)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)

    assert not known(pid)


def test_a_process_that_is_killed_is_waited_for(house: Installation) -> None:
    old, new = keys_of(house)
    with house.served() as server:
        server.process.kill()
        server.process.wait(20)

    refused = with_keys(house, new, old).manage("rotate_master_key")

    assert refused.returncode == 1
    assert "a stopped process counts as running for 60 s" in refused.stderr


def test_a_server_starts_and_serves_while_its_database_is_away(house: Installation) -> None:
    away = "postgresql://gatehouse@127.0.0.1:1/gatehouse"

    with house.served(DATABASE_URL=away) as server:
        assert server.ask("GET", "/healthz").status == 200

    assert "Could not record that this process is running: OperationalError" in server.log[0]


def test_commands_do_not_register_as_server_processes(house: Installation) -> None:
    count = "from apikeys.models import *; print('rows:', ServerProcess.objects.count())"

    assert "rows: 0" in house.manage("shell", "-c", count).stdout
