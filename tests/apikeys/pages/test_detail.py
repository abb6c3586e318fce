"""The page of one API key."""

from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from gatewayproject import keyring
from tests.browsing import edited, html_of, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db


def test_it_shows_everything_but_the_secret(client: Client, make_key: MakeKey) -> None:
    key = make_key(
        "acme-azure", "azure", environment="staging", team="Search", description="For the shop."
    )

    response = client.get(f"/api-keys/{key.pk}/")

    page = text_of(response)
    for shown in (
        "acme-azure", "Azure OpenAI", "Staging", "Search", "For the shop.", "…wXyZ",
        "https://acme.openai.azure.com", "2024-10-21", "by kim",
    ):  # fmt: skip
        assert shown in page, shown
    assertNotContains(response, OPENAI_KEY)
    assertNotContains(response, "gAAAA")
    assertNotContains(response, key.current.fingerprint)


def test_it_names_what_stays_in_responses(client: Client, make_key: MakeKey) -> None:
    local = make_key("local", secrets={"api_key": "lm-studio"})
    real = make_key("real")

    assert "reads like ordinary text: API key." in text_of(client.get(f"/api-keys/{local.pk}/"))
    assert "ordinary text" not in text_of(client.get(f"/api-keys/{real.pk}/"))


def test_it_shows_which_optional_parts_are_stored(client: Client, make_key: MakeKey) -> None:
    key = make_key("aws", "bedrock", "access_keys")

    page = text_of(client.get(f"/api-keys/{key.pk}/"))

    assert "Secret access key Encrypted" in page
    assert "Session token Not stored" in page


def test_it_names_the_endpoints_that_use_the_key(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("search", key)
    make_endpoint("assist", key, enabled=False)

    response = client.get(f"/api-keys/{key.pk}/")

    assert "assist Disabled search Active" in text_of(response)
    assertContains(response, 'href="/endpoints/search/"')


def test_a_long_list_of_endpoints_is_cut_with_a_count(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    for number in range(23):
        make_endpoint(f"endpoint-{number:02}", key)

    assertContains(client.get(f"/api-keys/{key.pk}/"), "and 3 more")


def test_the_history_names_people_and_fields_and_never_values(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key("first-name")
    client.post(
        f"/api-keys/{key.pk}/edit/",
        edited(key, name="second-name", api_key="sk-another-made-up-value-AbCd"),
    )

    response = client.get(f"/api-keys/{key.pk}/")

    page = text_of(response)
    history = page[page.index("History") :]
    assert history.index("kim edited") < history.index("kim created")
    assert "· API key, Name" in history
    assert "web · 127.0.0.1" in history
    assert "second-name" not in history
    assertNotContains(response, "sk-another-made-up-value-AbCd")


def test_a_key_that_no_master_key_opens_says_why_and_what_to_do(
    client: Client, make_key: MakeKey, settings: Settings
) -> None:
    key = make_key()
    settings.FERNET_KEYS = [keyring.generate_master_key()]

    page = text_of(client.get(f"/api-keys/{key.pk}/"))

    assert "No configured master key decrypts these credentials." in page
    assert key.current.master_key in page


def test_a_key_whose_address_was_changed_in_the_database_is_marked(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    type(key).objects.filter(pk=key.pk).update(config={"api_base": "https://evil.example/v1"})

    assertContains(client.get(f"/api-keys/{key.pk}/"), "not encrypted for https://evil.example:443")


def test_a_key_whose_address_became_nonsense_is_still_a_page(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    type(key).objects.filter(pk=key.pk).update(config={"api_base": "nonsense"})

    for page in ("", "edit/", "delete/"):
        assert client.get(f"/api-keys/{key.pk}/{page}").status_code == 200, page


@pytest.mark.parametrize("part", ["", "edit/", "delete/", "endpoints/"])
def test_a_key_that_there_is_not_is_not_found(client: Client, part: str) -> None:
    response = client.get(f"/api-keys/{uuid4()}/{part}")

    assert response.status_code == 404
    assert "Page not found" in html_of(response)


@pytest.mark.parametrize("name", ["1", "nonsense", "%00", "..", "new%00"])
def test_what_is_no_key_is_not_found(client: Client, name: str) -> None:
    assert client.get(f"/api-keys/{name}/").status_code == 404
