"""Deleting an API key in the admin: the same picture, the same service as in the pages."""

from django.test import Client
from pytest_django.asserts import assertContains, assertRedirects

from apikeys.models import ApiKey, CredentialVersion
from endpoints.models import Route
from gatewayproject.accounts.models import AuditEvent
from tests.conftest import MakeEndpoint, MakeKey

LIST = "/admin/apikeys/apikey/"


def page_of(api_key: ApiKey) -> str:
    return f"{LIST}{api_key.pk}/delete/"


def seen(client: Client, api_key: ApiKey) -> dict[str, str]:
    """Return what the confirmation page carries."""
    return {"seen": client.get(page_of(api_key)).context["form"]["seen"].value()}


def test_a_key_that_nothing_uses_asks_once(client: Client, make_key: MakeKey) -> None:
    key = make_key()

    response = client.post(page_of(key), seen(client, key))

    assertRedirects(response, LIST)
    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()
    assert AuditEvent.objects.about(key).get(act="deleted").channel == "admin"


def test_the_page_shows_what_depends_on_the_key(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("helper", key)
    make_endpoint("idle", key, enabled=False)

    response = client.get(page_of(key))

    assertContains(response, "2 endpoints use")
    assertContains(response, "has no other key")
    assertContains(response, "(disabled)")
    assertContains(response, "Type my-openai-key to delete it")


def test_a_key_in_use_is_not_deleted_by_accident(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("helper", key)

    response = client.post(page_of(key), seen(client, key))

    assertContains(response, "Type my-openai-key to delete it.", status_code=422)
    assert ApiKey.objects.filter(pk=key.pk).exists()


def test_the_typed_name_deletes_it(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("helper", key)

    client.post(page_of(key), seen(client, key) | {"confirmation": key.name})

    assert not ApiKey.objects.exists()
    assert Route.objects.get().api_key is None


def test_a_replacement_takes_over(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key, other = make_key("old"), make_key("new")
    endpoint = make_endpoint("helper", key)
    assertContains(client.get(page_of(key)), '<option value="new">')

    client.post(page_of(key), seen(client, key) | {"replacement": "new"})

    assert Route.objects.get().api_key == other
    assert AuditEvent.objects.about(endpoint).get(act="key replaced").channel == "admin"


def test_another_providers_key_is_no_replacement(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("old")
    make_key("spare")
    make_key("<b>foreign</b>", provider="anthropic")
    make_endpoint("helper", key)

    data = seen(client, key) | {"replacement": "<b>foreign</b>"}
    response = client.post(page_of(key), data)

    assertContains(response, "No matching API key is called", status_code=422)
    assertContains(response, "&lt;b&gt;foreign", status_code=422)
    assert ApiKey.objects.filter(pk=key.pk).exists()


def test_nothing_is_deleted_when_the_blast_radius_changed(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    data = seen(client, key)
    make_endpoint("helper", key)

    response = client.post(page_of(key), data | {"confirmation": key.name}, follow=True)

    assertContains(response, "have changed since you opened this page", status_code=409)
    assertContains(response, "/endpoints/helper/", status_code=409)
    assert ApiKey.objects.filter(pk=key.pk).exists()
