"""`manage.py sync_providers`."""

import io

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from apikeys.models import Provider
from apikeys.services import sync_providers

pytestmark = pytest.mark.django_db


def synced(*arguments: str) -> str:
    out = io.StringIO()
    call_command("sync_providers", *arguments, stdout=out)
    return out.getvalue()


def test_a_provider_changed_by_hand_is_restored() -> None:
    Provider.objects.filter(slug="openai").update(name="Closed AI")

    output = synced()

    assert output.startswith("Created 0 and updated 1 providers and methods; ")
    assert Provider.objects.get(slug="openai").name == "OpenAI"
    assert synced().startswith("Created 0 and updated 0 ")


def test_a_dry_run_says_what_would_change_and_changes_nothing() -> None:
    Provider.objects.filter(slug="openai").update(name="Closed AI")

    output = synced("--dry-run")

    assert output.startswith("Would create 0 and would update 1 ")
    assert Provider.objects.get(slug="openai").name == "Closed AI"


def test_own_providers_stay_as_they_are() -> None:
    Provider.objects.create(slug="in-house", name="In-house")

    synced()

    assert Provider.objects.get(slug="in-house").name == "In-house"


def test_every_page_for_keys_is_https() -> None:
    sync_providers()

    linked = Provider.objects.exclude(keys_url="")
    assert linked.count() > 20
    for provider in linked:
        provider.full_clean()
    assert not Provider.objects.filter(keys_url="").exclude(revoke_url="").exists()
    assert Provider.objects.get(slug="openai").keys_url == "https://platform.openai.com/api-keys"


@pytest.mark.parametrize("url", ["http://x.example.com", "javascript:alert(1)", "ftp://x.com", "x"])
def test_a_page_for_keys_that_is_not_https_is_refused(url: str) -> None:
    provider = Provider(slug="own", name="Own", keys_url=url)

    with pytest.raises(ValidationError, match="begins with https"):
        provider.full_clean()
