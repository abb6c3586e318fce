"""Where settings come from, and what keeps Gatehouse from starting."""

import base64
import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from gatewayproject import keyring
from tests.project.installation import Installation

PUBLISHED = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@pytest.mark.parametrize("name", ["SECRET_KEY", "FERNET_KEYS", "ALLOWED_HOSTS"])
def test_with_debug_off_it_does_not_start_and_names_what_is_missing(
    installation: Installation, name: str
) -> None:
    result = installation.manage("check", **{name: ""})

    assert result.returncode != 0
    [message] = result.stderr.strip().splitlines()
    assert message.startswith("Gatehouse does not start")
    missing = message.partition("set ")[2].partition(". ")[0]
    assert missing.split(" ")[0] == name


def test_everything_that_is_missing_is_named_at_once(installation: Installation) -> None:
    result = Installation(installation.data_dir).manage("check")

    for name in ("SECRET_KEY", "FERNET_KEYS (or FERNET_KEYS_FILE)", "ALLOWED_HOSTS"):
        assert name in result.stderr
    assert not list(installation.data_dir.glob("*_key"))


def test_a_server_that_does_not_start_says_why_and_nothing_else(
    installation: Installation,
) -> None:
    with installation.start(
        "-m", "uvicorn", "gatewayproject.asgi:application", FERNET_KEYS="no key"
    ) as process:
        _, told = process.communicate(timeout=60)

    assert process.returncode == 1
    assert told.splitlines() == [
        "Gatehouse does not start: FERNET_KEYS: key 1 of 1 is not URL-safe base64. "
        "Make one with: python manage.py generate_master_key"
    ]


def test_with_all_settings_it_starts(installation: Installation) -> None:
    result = installation.manage("check")

    assert result.returncode == 0, result.stderr


def test_master_keys_come_from_a_file_as_well(installation: Installation) -> None:
    installation.data_dir.mkdir()
    file = installation.data_dir / "keys"
    keys = [keyring.generate_master_key(), keyring.generate_master_key()]
    file.write_text("\n".join(keys))

    code = "from django.conf import settings; print(settings.FERNET_KEYS)"
    result = installation.manage("shell", "-c", code, FERNET_KEYS_FILE=str(file))

    assert str(keys) in result.stdout


def test_a_missing_file_of_master_keys_is_named(installation: Installation) -> None:
    result = installation.manage("check", FERNET_KEYS_FILE="/nowhere/keys")

    assert result.returncode != 0
    assert "FERNET_KEYS_FILE: No such file or directory: /nowhere/keys" in result.stderr


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("not a key at all", "is not URL-safe base64"),
        (base64.urlsafe_b64encode(b"short").decode(), "holds 5 bytes where a master key has 32"),
        (PUBLISHED, "is a published sample"),
        (base64.urlsafe_b64encode(bytes(32)).decode(), "is a published sample"),
    ],
)
def test_a_bad_master_key_is_refused_with_the_reason_and_without_the_key(
    installation: Installation, bad: str, reason: str
) -> None:
    good = installation.settings["FERNET_KEYS"]

    result = installation.manage("check", FERNET_KEYS=f"{good},{bad}")

    assert result.returncode == 1
    assert f"key 2 of 2 {reason}" in result.stderr
    assert "Traceback" not in result.stderr
    assert bad not in result.stderr
    assert good not in result.stderr


def test_the_same_master_key_twice_is_refused(installation: Installation) -> None:
    key = installation.settings["FERNET_KEYS"]

    result = installation.manage("check", FERNET_KEYS=f"{key},{key}")

    assert result.returncode != 0
    assert "stands there twice" in result.stderr
    assert key not in result.stderr


RAW = bytes(range(224, 256))  # its base64 has both letters that URLs cannot carry
STANDARD = base64.b64encode(RAW).decode()
CANONICAL = base64.urlsafe_b64encode(RAW).decode()
OTHER_END = f"{CANONICAL[:-2]}9="  # the last letter carries two bits that mean nothing


@pytest.mark.parametrize("spelt", [STANDARD, OTHER_END])
def test_a_master_key_has_one_spelling(spelt: str) -> None:
    assert base64.b64decode(spelt, b"-_" if spelt == OTHER_END else None) == RAW
    assert keyring.parse_master_keys([CANONICAL]) == [CANONICAL]

    with pytest.raises(ImproperlyConfigured, match="is not spelt as URL-safe base64") as refusal:
        keyring.parse_master_keys([spelt])

    assert spelt not in str(refusal.value)


@pytest.mark.parametrize("spelt", [STANDARD, OTHER_END])
def test_another_spelling_does_not_make_another_key(spelt: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="key 2 of 2 stands there twice"):
        keyring.parse_master_keys([CANONICAL, spelt])
    with pytest.raises(ImproperlyConfigured, match="is the same as SECRET_KEY"):
        keyring.parse_master_keys([CANONICAL], secret_key=spelt)


def test_a_published_key_is_known_in_any_spelling() -> None:
    zeros = base64.urlsafe_b64encode(bytes(32)).decode()

    with pytest.raises(ImproperlyConfigured, match="is a published sample"):
        keyring.parse_master_keys([f"{zeros[:-2]}B="])


def test_a_master_key_that_is_also_the_secret_key_is_refused(installation: Installation) -> None:
    key = installation.settings["FERNET_KEYS"]

    result = installation.manage("check", SECRET_KEY=key)

    assert result.returncode != 0
    assert "is the same as SECRET_KEY" in result.stderr
    assert key not in result.stderr


def test_in_development_keys_are_made_at_random_for_us_alone_and_kept(trial: Installation) -> None:
    assert trial.manage("check").returncode == 0
    first = {name: (trial.data_dir / name).read_text() for name in ("secret_key", "master_key")}

    assert trial.manage("check").returncode == 0

    for name, value in first.items():
        path = trial.data_dir / name
        assert path.read_text() == value
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(trial.data_dir.stat().st_mode) == 0o700
    keyring.parse_master_keys([first["master_key"]], secret_key=first["secret_key"])


def test_an_empty_key_file_is_not_taken_for_a_key(trial: Installation) -> None:
    trial.data_dir.mkdir()
    (trial.data_dir / "master_key").touch()

    result = trial.manage("check")

    assert result.returncode != 0
    assert "master_key is empty" in result.stderr


def test_sixteen_processes_that_start_together_agree_on_one_key(trial: Installation) -> None:
    code = (
        "import sys; from pathlib import Path; from gatewayproject import keyring; "
        "sys.stdin.read(); "
        "print(keyring.read_or_create(Path(sys.argv[1]), keyring.generate_master_key))"
    )
    path = trial.data_dir / "master_key"
    processes = [trial.start("-c", code, str(path)) for _ in range(16)]

    for process in processes:
        process.stdin.close()  # go
    keys = set()
    for process in processes:
        with process:
            keys.add(process.stdout.read().strip())

    assert keys == {path.read_text().strip()}
    assert [entry.name for entry in trial.data_dir.iterdir()] == ["master_key"]
