"""Where settings come from, and what keeps Gatehouse from starting."""

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from gatewayproject import keyring
from gatewayproject.environment import Environment
from tests.installation import ROOT, TIMEOUT, Installation, production_settings

PUBLISHED = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@pytest.mark.parametrize("name", ["SECRET_KEY", "FERNET_KEYS", "ALLOWED_HOSTS"])
def test_with_debug_off_it_does_not_start_and_names_what_is_missing(
    installation: Installation, name: str
) -> None:
    result = installation.manage("check", **{name: ""})

    assert result.returncode != 0
    [message] = result.stderr.strip().splitlines()
    assert message.startswith("Gatehouse does not start")
    assert message.partition("set ")[2].startswith(f"{name}, or NAME_FILE for each. ")


def test_all_missing_settings_are_named_at_once(installation: Installation) -> None:
    result = Installation(installation.data_dir).manage("check")

    for name in ("SECRET_KEY", "FERNET_KEYS", "ALLOWED_HOSTS"):
        assert name in result.stderr
    assert not list(installation.data_dir.glob("*_key"))


def test_a_server_that_does_not_start_prints_only_the_reason(
    installation: Installation,
) -> None:
    with installation.start(
        "-m", "uvicorn", "gatewayproject.asgi:application", FERNET_KEYS="no key"
    ) as process:
        _, output = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 1
    assert output.splitlines() == [
        "Gatehouse does not start: FERNET_KEYS: key 1 of 1 is not URL-safe base64. "
        "Create one with: python manage.py generate_master_key"
    ]


def test_with_all_settings_it_starts(installation: Installation) -> None:
    result = installation.manage("check")

    assert result.returncode == 0, result.stderr


def test_master_keys_can_come_from_a_file(installation: Installation) -> None:
    installation.data_dir.mkdir()
    file = installation.data_dir / "keys"
    keys = [keyring.generate_master_key() for _ in range(4)]
    lines = [
        "\ufeff# the new one",
        keys[0],
        "",
        f"{keys[1]}  # the old one",
        f"{keys[2]},{keys[3]}",
    ]
    file.write_text("\r\n".join(lines))

    code = "from django.conf import settings; print(settings.FERNET_KEYS)"
    result = installation.manage("shell", "-c", code, FERNET_KEYS="", FERNET_KEYS_FILE=str(file))

    assert str(keys) in result.stdout


def test_a_missing_file_of_master_keys_is_named(installation: Installation) -> None:
    result = installation.manage("check", FERNET_KEYS="", FERNET_KEYS_FILE="/nowhere/keys")

    assert result.returncode != 0
    assert "FERNET_KEYS_FILE: No such file or directory: /nowhere/keys" in result.stderr


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("not a key at all", "is not URL-safe base64"),
        (base64.urlsafe_b64encode(b"short").decode(), "must have 32 bytes, not 5"),
        (PUBLISHED, "is a published example"),
        (base64.urlsafe_b64encode(bytes(32)).decode(), "is a published example"),
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
    assert "appears twice" in result.stderr
    assert key not in result.stderr


RAW = bytes(range(224, 256))  # its base64 has both letters that URLs cannot carry
STANDARD = base64.b64encode(RAW).decode()
CANONICAL = base64.urlsafe_b64encode(RAW).decode()
OTHER_END = f"{CANONICAL[:-2]}9="  # the last letter carries two bits that mean nothing


@pytest.mark.parametrize("spelt", [STANDARD, OTHER_END])
def test_a_master_key_must_be_url_safe_base64(spelt: str) -> None:
    assert base64.b64decode(spelt, b"-_" if spelt == OTHER_END else None) == RAW
    assert keyring.parse_master_keys([CANONICAL]) == [CANONICAL]

    with pytest.raises(ImproperlyConfigured, match="is not URL-safe base64") as refusal:
        keyring.parse_master_keys([spelt])

    assert spelt not in str(refusal.value)


@pytest.mark.parametrize("spelt", [STANDARD, OTHER_END])
def test_a_key_in_another_spelling_is_a_duplicate(spelt: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="key 2 of 2 appears twice"):
        keyring.parse_master_keys([CANONICAL, spelt])
    with pytest.raises(ImproperlyConfigured, match="is the same as SECRET_KEY"):
        keyring.parse_master_keys([CANONICAL], secret_key=spelt)


def test_a_published_key_is_recognized_in_any_spelling() -> None:
    zeros = base64.urlsafe_b64encode(bytes(32)).decode()

    with pytest.raises(ImproperlyConfigured, match="is a published example"):
        keyring.parse_master_keys([f"{zeros[:-2]}B="])


def test_a_master_key_that_is_also_the_secret_key_is_refused(installation: Installation) -> None:
    key = installation.settings["FERNET_KEYS"]

    result = installation.manage("check", SECRET_KEY=key)

    assert result.returncode != 0
    assert "is the same as SECRET_KEY" in result.stderr
    assert key not in result.stderr


def test_a_trial_generates_private_keys_and_keeps_them(trial: Installation) -> None:
    assert trial.manage("check").returncode == 0
    first = {name: (trial.data_dir / name).read_text() for name in ("secret_key", "master_key")}

    assert trial.manage("check").returncode == 0

    for name, value in first.items():
        path = trial.data_dir / name
        assert path.read_text() == value
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(trial.data_dir.stat().st_mode) == 0o700
    keyring.parse_master_keys([first["master_key"]], secret_key=first["secret_key"])


def test_an_empty_key_file_is_refused(trial: Installation) -> None:
    trial.data_dir.mkdir()
    (trial.data_dir / "master_key").touch()

    result = trial.manage("check")

    assert result.returncode != 0
    assert "master_key is empty" in result.stderr


def test_sixteen_processes_that_start_together_use_one_key(trial: Installation) -> None:
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


def refusal(installation: Installation, *command: str, **settings: str) -> str:
    """Return the one line with which a command is refused."""
    result = installation.manage(*(command or ["check"]), **settings)

    assert result.returncode == 1, result.stdout
    [line] = result.stderr.strip().splitlines()
    return line


def refusal_of_settings(installation: Installation, **settings: str) -> str:
    """The same, of any process that reads the settings."""
    with installation.start("-c", "import gatewayproject.settings", **settings) as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    [line] = errors.strip().splitlines()
    return line


@pytest.mark.parametrize(
    "url",
    [
        "postgres//x",
        "postgres:/x",
        "x",
        "mysql://user:hidden-password@db/gatehouse",
        "nonsense://user:hidden-password@db/gatehouse",
        "postgresql://user:hidden-password@db",
        "postgresql://user:hidden#password@db:5432/gatehouse",
        "postgresql://user:hidden-password@db:port/gatehouse",
        "postgresql://user:hidden-password@[db/gatehouse",
        "postgresql://user:hidden-password@db:1,other:port/gatehouse",
        "postgresql://user:hidden-password@db/gatehouse?sslmod=require",
        "sqlite://:memory:",
        "sqlite://",
    ],
)
def test_a_malformed_database_url_is_refused_without_its_password(
    installation: Installation, url: str
) -> None:
    line = refusal_of_settings(installation, DATABASE_URL=url)

    assert line.startswith("Gatehouse does not start: DATABASE_URL: write postgresql://")
    assert "hidden" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "ture"),
        ("HTTPS", "2"),
        ("BEHIND_TLS_PROXY", "perhaps"),
        ("PREVIOUS_KEPT_DAYS", "a week"),
        ("PREVIOUS_KEPT_DAYS", "-1"),
        ("LOGIN_FAILURE_LIMIT", "0"),
        ("SESSION_SECONDS", "12h"),
        ("HSTS_SECONDS", "1.5"),
        ("GATEWAY_MAX_BODY_MB", "32MB"),
        ("GATEWAY_CONNECT_SECONDS", "ten"),
        ("GATEWAY_FIRST_BYTE_SECONDS", "nan"),
        ("GATEWAY_IDLE_SECONDS", "0"),
        ("DRAIN_SECONDS", "inf"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "../etc/passwd"),
        ("TIME_ZONE", "Europe"),
        ("LOG_LEVEL", "chatty"),
        ("ALLOWED_HOSTS", "https://gatehouse.example.com"),
        ("ALLOWED_HOSTS", "gatehouse.example.com:8000"),
        ("CSRF_TRUSTED_ORIGINS", "gatehouse.example.com"),
        ("ALLOWED_PRIVATE_ORIGINS", "10.0.0.5:8000"),
        ("ALLOWED_PRIVATE_ORIGINS", "http://10.0.0.5:port"),
        ("ENV_FILE", "/nowhere/.env"),
    ],
)
def test_an_invalid_setting_is_named(installation: Installation, name: str, value: str) -> None:
    line = refusal_of_settings(installation, **{"HTTPS": "true", name: value})

    assert line.startswith(f"Gatehouse does not start: {name}: ")


def test_an_empty_setting_counts_as_not_set(installation: Installation) -> None:
    names = "DEBUG HTTPS PREVIOUS_KEPT_DAYS GATEWAY_IDLE_SECONDS TIME_ZONE LOG_LEVEL DATABASE_URL"
    empty = dict.fromkeys([*names.split(), "ALLOWED_PRIVATE_ORIGINS", "STATIC_ROOT"], "")
    code = (
        "from django.conf import settings as s; "
        "print(s.TRIAL, s.HTTPS, s.PREVIOUS_KEPT_DAYS, s.TIME_ZONE, s.STATIC_ROOT)"
    )

    result = installation.manage("shell", "-v0", "-c", code, **empty)

    assert result.stdout.split() == ["False", "True", "7", "UTC", str(ROOT / "staticfiles")]


DOLLARS = {
    "SECRET_KEY": "$PATH",
    "METRICS_TOKEN": "$HOME-and-sixteen-more",
    "DATABASE_URL": "postgresql://$USER:$PATH@db/$HOME",
    "DJANGO_SUPERUSER_PASSWORD": "$PATH",
    "TIME_ZONE": "UTC",
}
PRINT_DOLLARS = """
from django.conf import settings as s
from gatewayproject.environment import Environment
database = s.DATABASES["default"]
print(s.SECRET_KEY, s.METRICS_TOKEN, Environment().str("DJANGO_SUPERUSER_PASSWORD"))
print(database["USER"], database["PASSWORD"], database["NAME"])
"""
PRINTED = "$PATH $HOME-and-sixteen-more $PATH\n$USER $PATH $HOME\n"


def test_a_value_that_begins_with_a_dollar_refers_to_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "settings.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in DOLLARS.items()))
    set_in_file = dict.fromkeys(DOLLARS, "")
    for settings in (DOLLARS, set_in_file | {"ENV_FILE": str(file)}):
        environment = {k: v for k, v in installation.environment(**settings).items() if v}

        result = subprocess.run(
            [sys.executable, "manage.py", "shell", "-v0", "-c", PRINT_DOLLARS],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )

        assert result.stdout == PRINTED, result.stderr


def test_a_master_key_that_begins_with_a_dollar_is_refused_for_what_it_is(
    installation: Installation,
) -> None:
    line = refusal(installation, FERNET_KEYS="$PATH")

    assert "FERNET_KEYS: key 1 of 1 is not URL-safe base64" in line


def test_an_invisible_character_in_a_master_key_is_named(installation: Installation) -> None:
    line = refusal(installation, FERNET_KEYS=f"\ufeff{keyring.generate_master_key()}")

    assert "FERNET_KEYS: key 1 of 1 contains a character, perhaps an invisible one" in line


@pytest.mark.parametrize("prefix", ["", "export "])
def test_two_lines_for_one_variable_are_refused(
    installation: Installation, tmp_path: Path, prefix: str
) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"FERNET_KEYS=old\n# FERNET_KEYS=older\n{prefix}FERNET_KEYS=new,old\n")

    line = refusal(installation, ENV_FILE=str(file))

    assert line == (
        f"Gatehouse does not start: {file}: FERNET_KEYS is in lines 1 and 3. Remove one of them."
    )


# --- Values in files ---------------------------------------------------------------------------

NOT_FROM_FILES = {"HOST", "PORT"}  # the Makefile reads them
DOCUMENTED = [
    name
    for name in re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    if name not in NOT_FROM_FILES
]
VALUES = {
    "GATEWAY_ACCESS_LOG": "false",
    "GATEWAY_OPENTELEMETRY": "false",
    "GATEWAY_SEND_TRACEPARENT": "false",
    "ALLOWED_PRIVATE_ORIGINS": "http://localhost:*",
    "BEHIND_TLS_PROXY": "true",
    "CSRF_TRUSTED_ORIGINS": "https://gatehouse.example",
    "DATABASE_URL": "postgresql://gatehouse:$secret@db/gatehouse",
    "DEBUG": "false",
    "ENV_FILE": os.devnull,
    "GATEWAY_DATA_DIR": "/nowhere",
    "GATEWAY_RETRY_TIMEOUTS": "true",
    "LOG_LEVEL": "ERROR",
    "METRICS_TOKEN": "sixteen-characters-and-more",
    "SESSION_SECONDS": "3600",
    "STATIC_ROOT": "/nowhere",
    "TIME_ZONE": "Europe/Zurich",
}


@pytest.fixture
def in_files(tmp_path: Path) -> dict[str, str]:
    """Every setting as the path of a file with its value."""
    values = dict.fromkeys(DOCUMENTED, "7") | production_settings() | VALUES
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    return {f"{name}_FILE": str(tmp_path / name) for name in DOCUMENTED}


def test_all_settings_can_come_from_files(in_files: dict[str, str], tmp_path: Path) -> None:
    code = """
from gatewayproject import settings as s
database = s.DATABASES["default"]
print(s.SECRET_KEY, s.FERNET_KEYS[0], s.METRICS_TOKEN, database["PASSWORD"])
print(s.TIME_ZONE, s.PREVIOUS_KEPT_DAYS, s.GATEWAY_RETRY_TIMEOUTS, s.HTTPS)
"""

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=in_files, capture_output=True, text=True
    )

    secrets = [(tmp_path / name).read_text().strip() for name in ("SECRET_KEY", "FERNET_KEYS")]
    assert result.stderr == ""
    assert result.stdout.split() == [
        *[*secrets, "sixteen-characters-and-more", "$secret"],
        *["Europe/Zurich", "7", "True", "False"],
    ]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "value"
    monkeypatch.setenv(name, "")
    monkeypatch.setenv(f"{name}_FILE", str(file))

    def refused() -> str:
        with pytest.raises(SystemExit) as refusal:
            Environment().str(name)
        return str(refusal.value).removeprefix("Gatehouse does not start: ")

    assert refused() == f"{name}_FILE: No such file or directory: {file}"
    for encoding in ("utf-16", "utf-16-le"):
        file.write_text("text", encoding=encoding)
        assert refused() == f"{name}_FILE: not a text file in UTF-8; save it as UTF-8: {file}"
    file.write_text("\n")
    assert refused() == f"{name}_FILE: the file is empty: {file}"
    file.write_text("$value with spaces\n")
    assert Environment().str(name) == "$value with spaces"
    monkeypatch.setenv(name, "value")
    assert refused() == f"{name} and {name}_FILE are both set. Remove one of them."


def test_the_first_account_can_have_a_password_from_a_file(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("from a file $x\n")
    from_file = {"DJANGO_SUPERUSER_PASSWORD_FILE": str(tmp_path / "password")}

    result = installation.manage("prepare", **from_file)

    assert "Created the account admin." in result.stdout
    assert "with the password" not in result.stdout
    code = "from django.contrib.auth.models import User as U; print(U.objects.get().check_password"
    checked = installation.manage("shell", "-v0", "-c", f"{code}('from a file $x'))")
    assert checked.stdout == "True\n"


def test_spaces_in_a_list_do_not_matter(installation: Installation) -> None:
    code = "from django.conf import settings; print(settings.ALLOWED_HOSTS)"

    result = installation.manage(
        "shell", "-v0", "-c", code, ALLOWED_HOSTS=" a.example , b.example,"
    )

    assert result.stdout.strip() == "['a.example', 'b.example']"


def test_a_malformed_line_of_an_env_file_is_refused_and_not_repeated(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "settings.env"
    file.write_text("# settings\nTIME_ZONE=UTC\nSECRET_KEY: hidden-secret\n")

    line = refusal(installation, ENV_FILE=str(file))

    assert line == f"Gatehouse does not start: {file}: line 3 is not NAME=value."


def test_an_env_file_that_is_not_text_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "settings.env"
    file.write_bytes(b"\xff\xfe\x00")

    assert "ENV_FILE: not a text file in UTF-8" in refusal(installation, ENV_FILE=str(file))


@pytest.mark.parametrize("command", ["prepare", "check", "serve"])
def test_a_file_in_place_of_the_data_directory_is_named(tmp_path: Path, command: str) -> None:
    place = tmp_path / "var"
    place.touch()
    arguments = ["serve", "--port", "0"] if command == "serve" else [command]

    line = refusal(Installation(place, {"DEBUG": "true"}), *arguments)

    assert line.startswith(f"Gatehouse does not start: {place} is a file, not a directory. ")
    assert "GATEWAY_DATA_DIR" in line


def test_a_data_directory_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "var"

    line = refusal(Installation(place, {"DEBUG": "true"}), "prepare")

    assert line.startswith(f"Gatehouse does not start: Not a directory: {place}. ")


def without_privileges(installation: Installation, *arguments: str) -> str:
    """Run a command that permissions bind, also for root; return its one line on stderr."""
    prefix = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is needed to test as root")
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    result = subprocess.run(
        [*prefix, sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=installation.environment(),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1, result.stdout
    [line] = result.stderr.strip().splitlines()
    return line


def test_a_data_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    place = tmp_path / "var"

    line = without_privileges(Installation(place, {"DEBUG": "true"}), "prepare")

    assert line.startswith(f"Gatehouse does not start: Permission denied: {place}. ")


def test_a_trial_in_a_read_only_directory_names_the_setting_to_change(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o500)

    line = without_privileges(Installation(tmp_path, {"DEBUG": "true"}), "prepare")

    assert line == (
        f"Gatehouse does not start: Permission denied: {tmp_path}. GATEWAY_DATA_DIR and "
        "DATABASE_URL must be paths that this user can write to."
    )


@pytest.mark.parametrize("command", ["prepare", "list_api_keys", "sync_providers"])
def test_a_data_directory_that_is_read_only_is_named(
    tmp_path: Path, installation: Installation, command: str
) -> None:
    place = tmp_path / "var"
    place.mkdir()
    place.chmod(0o500)
    installation = Installation(
        place, {**installation.settings, "DATABASE_URL": f"sqlite:///{place}/db.sqlite3"}
    )

    line = without_privileges(installation, command)

    assert str(place) in line


def test_an_unreadable_key_file_is_named(tmp_path: Path, trial: Installation) -> None:
    trial.manage("check")
    file = trial.data_dir / "master_key"
    file.chmod(0)

    line = without_privileges(trial, "check")

    assert line == f"Gatehouse does not start: Key file: Permission denied: {file}"


def commands() -> list[str]:
    """Return every command of Gatehouse that needs its database, with its arguments."""
    files = [*ROOT.glob("*/management/commands/*.py"), *ROOT.glob("*/*/management/commands/*.py")]
    names = {file.stem for file in files} - {"__init__"}
    arguments = {
        "create_api_key": " new --provider openai",
        "create_gateway_token": " new --all-endpoints",
        "rotate_api_key": " one",
        "disable_api_key": " one",
        "enable_api_key": " one",
        "revoke_gateway_token": " one",
    }
    own = [name + arguments.get(name, "") for name in names - DATABASE_CREATED]
    return sorted([*own, "changepassword", "check --database default", "showmigrations"])


DATABASE_CREATED = {"demo", "generate_master_key", "prepare", "serve"}


@pytest.mark.parametrize("command", commands())
def test_a_command_without_the_settings_of_the_service_leaves_no_database_behind(
    tmp_path: Path, command: str
) -> None:
    """The secrets are there, but what names the database is not."""
    installation = Installation(tmp_path / "data", production_settings())

    result = installation.manage(*command.split(), stdin="sk-made-up-000000000000000000000\n")

    [line] = result.stderr.strip().splitlines()
    assert result.returncode == 1
    assert line == (
        f"The database {tmp_path}/data/gatehouse.sqlite3 is not prepared. If the service uses "
        "another, run the command with the service's settings. Otherwise, run: manage.py prepare"
    )
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("command", ["list_api_keys", "rotate_master_key", "sync_providers"])
def test_a_command_before_prepare_names_the_command_to_run(
    installation: Installation, command: str
) -> None:
    line = refusal(installation, command)

    assert re.fullmatch(r"The database \S+( on 127.0.0.1)? is not prepared\. .*prepare", line)


@pytest.mark.parametrize("command", ["list_api_keys", "changepassword"])
def test_a_command_without_a_database_fails_with_one_line(
    installation: Installation, command: str
) -> None:
    away = "postgresql://gatehouse:hidden-password@127.0.0.1:1/gatehouse"

    line = refusal(installation, command, DATABASE_URL=away)

    assert line.startswith("The database cannot be used: ")
    assert "hidden-password" not in line
