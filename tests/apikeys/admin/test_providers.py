"""Providers and auth schemes in the admin: built-in ones to read, own ones to declare."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertRedirects

from apikeys.models import ApiKey, AuthScheme, KeyDraft, Provider
from apikeys.sealing import Role, Secrets
from apikeys.services import create_api_key, sync_providers
from apikeys.services.providers import digest_of
from gatewayproject.accounts.models import AuditEvent
from tests import fakes
from tests.admin_forms import SignIn, queries_of
from tests.conftest import MakeKey

PROVIDERS = "/admin/apikeys/provider/"
SCHEMES = "/admin/apikeys/authscheme/"
OWN = {
    "name": "Acme inference",
    "slug": "acme",
    "group": "self_hosted",
    "position": "1000",
    "base_url": "https://ai.acme.example/v1/",
    "aliases": "house models, acme llm",
}
NO_SCHEMES = {"schemes-TOTAL_FORMS": "0", "schemes-INITIAL_FORMS": "0"}
FIELDS = [{"name": "token", "label": "Token", "secret": True, "required": True}]
TRANSPORT = {"base_url": "https://ai.acme.example", "headers": {"X-Token": "{token}"}}


@pytest.fixture
def acme(client: Client) -> Provider:
    """An own provider, as the form makes it."""
    client.post(f"{PROVIDERS}add/", OWN)
    return Provider.objects.get(slug="acme")


def scheme_form(of: Provider | None = None, **changes: Any) -> dict[str, Any]:
    data = {
        "name": "House token",
        "slug": "house_token",
        "position": "5",
        "fields": json.dumps(FIELDS),
        "transport": json.dumps(TRANSPORT),
        "verify": "{}",
    }
    return data | ({"provider": of.pk} if of else {}) | changes


def test_an_own_provider_takes_one_form(client: Client) -> None:
    response = client.post(f"{PROVIDERS}add/", OWN)

    assertRedirects(response, PROVIDERS)
    provider = Provider.objects.get(slug="acme")
    assert provider.base_url == "https://ai.acme.example/v1"
    assert provider.aliases == ["house models", "acme llm"]
    scheme = provider.schemes.get()
    assert scheme.transport == {
        "base_url": "{api_base}",
        "headers": {"Authorization": "Bearer {api_key}"},
    }
    event = AuditEvent.objects.get(subject_type="provider")
    assert (event.act, event.channel, event.actor) == ("created", "admin", "kim")


def test_a_key_of_an_own_provider_works_at_once(acme: Provider, by: Any) -> None:
    secrets = Secrets(api_key=fakes.OPENAI_KEY)
    draft = KeyDraft(acme.schemes.get(), {"name": "house"}, {}, secrets).check()

    key = create_api_key(draft, by=by).api_key

    assert key.config == {"api_base": "https://ai.acme.example/v1"}
    assert key.origins() == {Role.API: "https://ai.acme.example:443"}
    assert key.unreadable_because() == ""


def test_an_own_provider_outlives_a_sync(acme: Provider) -> None:
    sync_providers()

    assert not Provider.objects.get(slug="acme").built_in
    assert acme.schemes.count() == 1


def test_without_a_base_url_the_scheme_is_the_operators_to_add(client: Client) -> None:
    response = client.post(f"{PROVIDERS}add/", OWN | {"base_url": ""}, follow=True)

    provider = Provider.objects.get(slug="acme")
    assert not provider.schemes.exists()
    assertContains(response, f"{SCHEMES}add/?provider={provider.pk}")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"base_url": "ftp://ai.acme.example"}, "base_url"),
        ({"base_url": "http://ai.acme.example"}, "base_url"),
        ({"base_url": "https://10.0.0.5/v1"}, "base_url"),
        ({"base_url": "https://kim:pw@ai.acme.example"}, "base_url"),
        ({"base_url": "https://["}, "base_url"),
        ({"base_url": "https://ai.acme.example/?key=x"}, "base_url"),
        ({"name": "openai"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": ""}, "name"),
        ({"slug": "OpenAI"}, "slug"),
        ({"slug": "not a slug"}, "slug"),
        ({"aliases": "house, OPENAI"}, "aliases"),
        ({"aliases": "x" * 501}, "aliases"),
        ({"position": "-1"}, "position"),
        ({"position": "9" * 40}, "position"),
        ({"group": "other"}, "group"),
    ],
)
def test_a_wrong_provider_is_an_error_on_the_field(
    client: Client, wrong: dict[str, str], field: str
) -> None:
    response = client.post(f"{PROVIDERS}add/", OWN | wrong)

    assert field in response.context["adminform"].errors
    assert not Provider.objects.filter(built_in=False).exists()


def test_an_own_provider_is_changed_and_new_keys_follow_its_url(
    client: Client, acme: Provider
) -> None:
    url = "https://new.acme.example/v1"
    changed = OWN | NO_SCHEMES | {"name": "Acme", "base_url": url, "seen": digest_of(acme)}

    client.post(f"{PROVIDERS}{acme.pk}/change/", changed)

    assert Provider.objects.get(slug="acme").name == "Acme"
    assert acme.schemes.get().specs[1].default == url
    event = AuditEvent.objects.get(subject_type="provider", act="edited")
    assert event.fields == ["base_url", "name"]


def test_what_is_built_in_is_read_only(client: Client) -> None:
    provider = Provider.objects.get(slug="openai")
    scheme = provider.schemes.all()[0]

    for url in (f"{PROVIDERS}{provider.pk}", f"{SCHEMES}{scheme.pk}"):
        assertContains(client.get(f"{url}/change/"), "View ")
        assert client.post(f"{url}/change/", OWN).status_code == 403
        assert client.get(f"{url}/delete/").status_code == 403
        assert client.post(f"{url}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("url", [PROVIDERS, SCHEMES])
def test_every_built_in_page_opens(client: Client, url: str) -> None:
    model = Provider if url == PROVIDERS else AuthScheme

    for row in model.objects.all():
        assert client.get(f"{url}{row.pk}/change/").status_code == 200


def test_an_own_provider_is_deleted_with_one_event(client: Client, acme: Provider) -> None:
    url = f"{PROVIDERS}{acme.pk}/delete/"
    assertContains(client.get(url), "Are you sure")

    client.post(url, {"post": "yes"})

    assert not Provider.objects.filter(slug="acme").exists()
    assert (
        AuditEvent.objects.get(subject_type="provider", act="deleted").subject_name == OWN["name"]
    )


def test_what_keys_use_is_not_deleted_and_the_page_says_why(
    client: Client, acme: Provider, make_key: MakeKey
) -> None:
    for number in range(25):
        make_key(f"house-{number:02}", provider="acme")

    for url in (f"{PROVIDERS}{acme.pk}", f"{SCHEMES}{acme.schemes.get().pk}"):
        for response in (
            client.get(f"{url}/delete/"),
            client.post(f"{url}/delete/", {"post": "yes"}),
        ):
            assertContains(response, "API key: house-00")
            assertContains(response, "and 5 more")
    assert Provider.objects.filter(slug="acme").exists()
    assert not AuditEvent.objects.filter(act="deleted").exists()


def test_an_own_scheme_is_added_changed_and_deleted(client: Client, acme: Provider) -> None:
    assertRedirects(client.post(f"{SCHEMES}add/", scheme_form(acme)), SCHEMES)
    scheme = AuthScheme.objects.get(slug="house_token")

    client.post(
        f"{SCHEMES}{scheme.pk}/change/", scheme_form(name="Renamed", seen=digest_of(scheme))
    )
    client.post(f"{SCHEMES}{scheme.pk}/delete/", {"post": "yes"})

    assert not AuthScheme.objects.filter(slug="house_token").exists()
    events = AuditEvent.objects.about(scheme).order_by("id")
    assert [event.act for event in events] == ["created", "edited", "deleted"]
    assert events[1].fields == ["name"]


def test_changing_where_a_scheme_sends_warns_about_its_keys(
    client: Client, acme: Provider, make_key: MakeKey
) -> None:
    client.post(f"{SCHEMES}add/", scheme_form(acme))
    scheme = AuthScheme.objects.get(slug="house_token")
    key = make_key("house", "acme", "house_token")
    moved = json.dumps(TRANSPORT | {"base_url": "https://elsewhere.example"})

    url = f"{SCHEMES}{scheme.pk}/change/"
    response = client.post(url, scheme_form(transport=moved, seen=digest_of(scheme)), follow=True)

    assertContains(response, "API keys that use this authentication method: 1")
    key = ApiKey.objects.with_details().get(pk=key.pk)
    assert "not encrypted for https://elsewhere.example" in key.unreadable_because()


def opened(*, secret: bool) -> str:
    fields = [{"name": "token", "label": "House token", "secret": secret, "required": True}]
    return json.dumps(fields)


def test_a_field_that_keys_keep_secret_stays_secret(
    client: Client, acme: Provider, make_key: MakeKey
) -> None:
    client.post(f"{SCHEMES}add/", scheme_form(acme, fields=opened(secret=True)))
    scheme = AuthScheme.objects.get(slug="house_token")
    make_key("house", "acme", "house_token")
    url = f"{SCHEMES}{scheme.pk}/change/"
    other = json.dumps([{"name": "other", "label": "Other"}])

    refusal = "House token as a secret, so it must stay secret"
    seen = digest_of(scheme)
    response = client.post(url, scheme_form(fields=opened(secret=False), seen=seen))
    assertContains(response, refusal, status_code=422)

    elsewhere = '{"base_url": "https://a.example"}'
    client.post(url, scheme_form(fields=other, transport=elsewhere, seen=seen))
    scheme.refresh_from_db()
    assert scheme.specs[0].name == "other"
    response = client.post(url, scheme_form(fields=opened(secret=False), seen=digest_of(scheme)))
    assertContains(response, refusal, status_code=422)


def test_a_secret_field_of_a_scheme_that_no_key_uses_may_be_opened(
    client: Client, acme: Provider
) -> None:
    client.post(f"{SCHEMES}add/", scheme_form(acme, fields=opened(secret=True)))
    scheme = AuthScheme.objects.get(slug="house_token")

    form = scheme_form(fields=opened(secret=False), seen=digest_of(scheme))
    client.post(f"{SCHEMES}{scheme.pk}/change/", form)

    assert not AuthScheme.objects.get(pk=scheme.pk).secret_specs


DEEP = "[" * 20_000 + "]" * 20_000


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        *[
            ({name: text}, name)
            for name in ("fields", "transport", "verify")
            for text in (
                "{",
                DEEP,
                '{"a": NaN}',
                '{"a": "\\ud800"}',
                '{"a": "\\u0000"}',
                "9" * 5000,
            )
        ],
        ({"fields": "5"}, "fields"),
        ({"fields": "null"}, "fields"),
        ({"fields": "[]"}, "fields"),
        ({"fields": '["x"]'}, "fields"),
        ({"fields": '[{"name": "x"}]'}, "fields"),
        ({"fields": '[{"name": "X Y", "label": "x"}]'}, "fields"),
        ({"fields": '[{"name": "x", "label": "x", "colour": "red"}]'}, "fields"),
        ({"fields": '[{"name": "x", "label": "x", "pattern": "("}]'}, "fields"),
        ({"fields": '[{"name": "x", "label": "x", "env": 5}]'}, "fields"),
        ({"fields": '[{"name": "team", "label": "x"}]'}, "fields"),
        ({"transport": "5"}, "transport"),
        ({"transport": "null"}, "transport"),
        ({"transport": "{}"}, "transport"),
        ({"transport": '{"base_url": 5}'}, "transport"),
        ({"transport": '{"base_url": "https://x.example", "headers": []}'}, "transport"),
        ({"transport": '{"base_url": "https://{token}.example"}'}, "transport"),
        ({"transport": '{"base_url": "{nothing}"}'}, "transport"),
        ({"slug": "not a slug"}, "slug"),
        ({"provider": "nonsense"}, "provider"),
        ({"provider": "999999"}, "provider"),
        ({"provider": "9" * 40}, "provider"),
        ({"provider": ""}, "provider"),
        ({"position": "-1"}, "position"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_scheme_is_an_error_on_the_field(
    client: Client, acme: Provider, wrong: dict[str, str], field: str
) -> None:
    response = client.post(f"{SCHEMES}add/", scheme_form(acme, **wrong))

    assert response.status_code == 422
    assert field in response.context["adminform"].errors
    assert not AuthScheme.objects.filter(slug="house_token").exists()


def test_a_scheme_of_the_same_slug_is_refused(client: Client, acme: Provider) -> None:
    response = client.post(f"{SCHEMES}add/", scheme_form(acme, slug="api_key"))

    assertContains(response, "already exists", status_code=422)


@pytest.mark.parametrize("url", [PROVIDERS, SCHEMES])
def test_the_list_asks_the_database_a_constant_number_of_times(
    client: Client, acme: Provider, make_key: MakeKey, url: str
) -> None:
    some = queries_of(client, url)
    for number in range(3):
        make_key(f"key-{number}", provider="acme")
        client.post(f"{SCHEMES}add/", scheme_form(acme, slug=f"scheme-{number}"))

    assert queries_of(client, url) <= some < 12


def test_providers_and_schemes_are_searched_and_filtered(client: Client, acme: Provider) -> None:
    for url in (PROVIDERS, SCHEMES):
        assertContains(client.get(f"{url}?q=acme"), "Acme inference")
        assertContains(client.get(f"{url}?built_in__exact=0"), "1 ")


def test_a_viewer_adds_no_provider(sign_in: SignIn) -> None:
    viewer = sign_in("view_provider")

    assert viewer.get(PROVIDERS).status_code == 200
    assert viewer.post(f"{PROVIDERS}add/", OWN).status_code == 403
