"""`manage.py prepare`: from an empty database to the first sign-in."""

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from gatewayproject import keyring
from tests.installation import TIMEOUT, Installation

COUNT_ACCOUNTS = (
    "from django.contrib.auth.models import User; "
    "print([(u.username, u.email, u.is_superuser) for u in User.objects.all()])"
)

CHECK = (
    "from django.contrib.auth.models import User; "
    "print(User.objects.get(username='admin').check_password('{}'))"
)


def accounts(installation: Installation) -> str:
    return installation.manage("shell", "-v0", "-c", COUNT_ACCOUNTS).stdout.strip()


def test_the_first_run_creates_an_account_and_prints_its_password_once(trial: Installation) -> None:
    result = trial.manage("prepare")

    assert result.returncode == 0, result.stderr
    (password,) = re.findall(r"Sign in as admin with the password (\S+)", result.stdout)
    assert len(password) >= 20
    assert result.stdout.count(password) == 1
    assert trial.manage("shell", "-v0", "-c", CHECK.format(password)).stdout.strip() == "True"


def test_a_second_run_changes_nothing_and_reports_it(trial: Installation) -> None:
    trial.manage("prepare")
    before = accounts(trial)

    result = trial.manage("prepare")

    assert result.returncode == 0, result.stderr
    assert "Everything is up to date." in result.stdout
    assert "password" not in result.stdout
    assert accounts(trial) == before == "[('admin', '', True)]"


def test_it_prints_where_the_keys_are_but_no_key(trial: Installation) -> None:
    result = trial.manage("prepare")

    assert f"Data directory: {trial.data_dir}\n" in result.stdout
    for name in ("secret_key", "master_key"):
        path = trial.data_dir / name
        assert f"{path}\n" in result.stdout
        assert path.read_text().strip() not in result.stdout + result.stderr


def test_the_environment_sets_the_first_account_even_with_a_weak_password(
    installation: Installation,
) -> None:
    result = installation.manage(
        "prepare",
        DJANGO_SUPERUSER_USERNAME="root",
        DJANGO_SUPERUSER_EMAIL="root@example.com",
        DJANGO_SUPERUSER_PASSWORD="weak",
    )

    assert result.returncode == 0, result.stderr
    assert "Created the account root." in result.stdout
    assert "weak" not in result.stdout
    assert accounts(installation) == "[('root', 'root@example.com', True)]"


def test_no_account_is_created_if_there_is_a_superuser(installation: Installation) -> None:
    installation.manage("prepare", DJANGO_SUPERUSER_USERNAME="root")

    installation.manage("prepare", DJANGO_SUPERUSER_USERNAME="another")

    assert accounts(installation) == "[('root', '', True)]"


def test_processes_that_prepare_at_the_same_time_do_it_once(installation: Installation) -> None:
    processes = [installation.start("manage.py", "prepare") for _ in range(4)]

    outputs = [process.communicate(timeout=TIMEOUT) for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert "".join(out for out, _ in outputs).count("Sign in as admin") == 1
    assert accounts(installation) == "[('admin', '', True)]"


def test_an_unavailable_database_is_reported_in_one_sentence(installation: Installation) -> None:
    away = "postgresql://gatehouse:hidden-password@127.0.0.1:1/gatehouse"

    result = installation.manage("prepare", DATABASE_URL=away)

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("The database cannot be used: ")
    assert line.endswith("Check that the server runs and that DATABASE_URL is right.")
    assert "hidden-password" not in line


def test_generate_master_key_prints_a_key_that_is_accepted(installation: Installation) -> None:
    key = installation.manage("generate_master_key").stdout.strip()

    result = installation.manage("check", FERNET_KEYS=key)

    assert result.returncode == 0, result.stderr
    assert key != installation.manage("generate_master_key").stdout.strip()


@pytest.mark.parametrize("keys", [{}, {"FERNET_KEYS": "malformed", "ALLOWED_HOSTS": "x"}])
def test_generate_master_key_needs_no_settings(
    installation: Installation, keys: dict[str, str]
) -> None:
    result = Installation(installation.data_dir, keys).manage("generate_master_key")

    assert result.returncode == 0, result.stderr
    [key] = result.stdout.splitlines()
    assert keyring.parse_master_keys([key]) == [key]
    assert result.stderr.startswith("Next: ")
    assert key not in result.stderr
    assert not installation.data_dir.exists()


@pytest.mark.django_db
def test_a_server_that_is_not_prepared_reports_it(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    backend = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "Run “python manage.py prepare”" in answer.content.decode()
