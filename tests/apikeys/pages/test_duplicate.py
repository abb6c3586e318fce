"""Duplicating an API key: everything but its credentials."""

import pytest
from django.test import Client

from apikeys.models import ApiKey
from gatewayproject.accounts.models import AuditEvent
from tests import fakes
from tests.browsing import html_of, inputs_of, text_of
from tests.conftest import MakeKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    key = make_key("azure-production", "azure")
    ApiKey.objects.filter(pk=key.pk).update(
        environment="staging", team="Search", description="For the site.",
        rotate_every_days=90, expiry_notice_days=7,
    )  # fmt: skip
    key.refresh_from_db()
    return key


def test_the_form_begins_with_all_but_the_credentials(client: Client, key: ApiKey) -> None:
    page = client.get(f"/api-keys/new/?copy={key.pk}")

    inputs = inputs_of(page)
    assert inputs["name"] == "azure-production copy"
    assert inputs["provider"] == key.provider.name
    assert inputs["team"] == "Search"
    assert inputs["rotate_every_days"] == "90"
    assert inputs["expiry_notice_days"] == "7"
    assert inputs["api_base"] == key.config["api_base"]
    assert inputs["api_key"] == ""
    html = html_of(page)
    assert '<option value="staging" selected>' in html
    assert "For the site." in html
    assert "Copied from azure-production. Enter the credentials" in text_of(page)


def test_saving_creates_an_ordinary_key(client: Client, key: ApiKey) -> None:
    inputs = inputs_of(client.get(f"/api-keys/new/?copy={key.pk}"))
    assert not ApiKey.objects.filter(name__endswith="copy").exists()
    inputs.pop("choose", None)
    typed = {"api_key": fakes.credentials_for(key.scheme)["api_key"], "environment": "staging"}

    response = client.post("/api-keys/new/", {**inputs, **typed, "scheme": "api_key"})

    assert response.status_code == 302
    copy = ApiKey.objects.get(name="azure-production copy")
    assert (copy.config, copy.team, copy.environment) == (key.config, "Search", "staging")
    assert copy.current_id != key.current_id
    assert AuditEvent.objects.filter(act="created", subject_id=str(copy.pk)).count() == 1


def test_a_name_that_is_taken_is_not_suggested(
    client: Client, key: ApiKey, make_key: MakeKey
) -> None:
    make_key("Azure-Production COPY")

    assert inputs_of(client.get(f"/api-keys/new/?copy={key.pk}"))["name"] == ""


def test_a_long_name_is_shortened(client: Client, make_key: MakeKey) -> None:
    key = make_key("x" * 80)

    name = inputs_of(client.get(f"/api-keys/new/?copy={key.pk}"))["name"]

    assert name == "x" * 75 + " copy"


@pytest.mark.parametrize("copy", ["", "x", "\0", "0" * 32])
def test_a_key_that_does_not_exist_is_not_found(client: Client, copy: str) -> None:
    assert client.get("/api-keys/new/", {"copy": copy}).status_code == 404


def test_settings_come_from_the_key_and_not_from_the_url(client: Client, key: ApiKey) -> None:
    page = client.get(f"/api-keys/new/?copy={key.pk}&api_base=https://evil.example&team=Evil")

    assert "evil" not in html_of(page).lower()


def test_list_and_page_lead_to_it_for_those_who_may_create(
    client: Client, visitor: Client, key: ApiKey
) -> None:
    url = f"/api-keys/new/?copy={key.pk}"

    assert f'href="{url}&amp;next=%2Fapi-keys%2F%3Fq%3Dazure"' in html_of(
        client.get("/api-keys/?q=azure")
    )
    assert f'href="{url}"' in html_of(client.get(f"/api-keys/{key.pk}/"))
    for path in ("/api-keys/", f"/api-keys/{key.pk}/"):
        assert "copy=" not in html_of(visitor.get(path))
