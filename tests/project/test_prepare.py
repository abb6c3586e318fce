"""`manage.py prepare`: from an empty database to the first sign-in."""

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from gatewayproject import keyring
from tests.project.installation import Installation

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


def test_the_first_run_makes_an_account_and_prints_its_password_once(trial: Installation) -> None:
    result = trial.manage("prepare")

    assert result.returncode == 0, result.stderr
    (password,) = re.findall(r"Sign in as admin with the password (\S+)", result.stdout)
    assert len(password) >= 20
    assert result.stdout.count(password) == 1
    assert trial.manage("shell", "-v0", "-c", CHECK.format(password)).stdout.strip() == "True"


def test_a_second_run_changes_nothing_and_says_so(trial: Installation) -> None:
    trial.manage("prepare")
    before = accounts(trial)

    result = trial.manage("prepare")

    assert result.returncode == 0, result.stderr
    assert "Everything is up to date." in result.stdout
    assert "password" not in result.stdout
    assert accounts(trial) == before == "[('admin', '', True)]"


def test_it_says_where_the_keys_are_and_never_a_key(trial: Installation) -> None:
    result = trial.manage("prepare")

    assert f"Data directory: {trial.data_dir}\n" in result.stdout
    for name in ("secret_key", "master_key"):
        path = trial.data_dir / name
        assert f"{path}\n" in result.stdout
        assert path.read_text().strip() not in result.stdout + result.stderr


def test_the_environment_names_the_first_account_even_with_a_weak_password(
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


def test_where_there_is_a_superuser_no_other_is_made(installation: Installation) -> None:
    installation.manage("prepare", DJANGO_SUPERUSER_USERNAME="root")

    installation.manage("prepare", DJANGO_SUPERUSER_USERNAME="another")

    assert accounts(installation) == "[('root', '', True)]"


def test_processes_that_prepare_at_the_same_time_do_it_once(installation: Installation) -> None:
    processes = [installation.start("manage.py", "prepare") for _ in range(4)]

    outputs = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert "".join(out for out, _ in outputs).count("Sign in as admin") == 1
    assert accounts(installation) == "[('admin', '', True)]"


def test_a_database_that_is_away_is_told_in_one_sentence(installation: Installation) -> None:
    away = "postgresql://gatehouse:hidden-password@127.0.0.1:1/gatehouse"

    result = installation.manage("prepare", DATABASE_URL=away)

    assert result.returncode == 1
    assert "The database cannot be used" in result.stderr
    assert "Traceback" not in result.stderr
    assert "hidden-password" not in result.stderr


def test_generate_master_key_prints_a_key_that_is_accepted(installation: Installation) -> None:
    key = installation.manage("generate_master_key").stdout.strip()

    result = installation.manage("check", FERNET_KEYS=key)

    assert result.returncode == 0, result.stderr
    assert key != installation.manage("generate_master_key").stdout.strip()


@pytest.mark.parametrize("keys", [{}, {"FERNET_KEYS": "malformed", "ALLOWED_HOSTS": "x"}])
def test_generate_master_key_comes_before_all_settings(
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
def test_a_server_that_nobody_has_prepared_says_so(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    backend = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "run “python manage.py prepare”" in answer.content.decode()
