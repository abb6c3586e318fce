"""The page on which credentials are replaced, and never seen."""

from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys.models import ApiKey
from apikeys.sealing import Secrets
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.keyring import generate_master_key
from tests import fakes
from tests.conftest import MakeEndpoint, MakeKey

NEW = "sk-proj-Replaced0000000000000000000000000000000nEwX"
AWS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "made-up-session-token-0001",
}


def page_of(api_key: ApiKey) -> str:
    return f"/admin/apikeys/apikey/{api_key.pk}/credentials/"


def opened(api_key: ApiKey) -> Secrets:
    stored = ApiKey.objects.with_details().get(pk=api_key.pk)
    return stored.current.open_for(stored, towards=stored.origins())


def test_new_credentials_replace_the_old_ones(client: Client, make_key: MakeKey) -> None:
    key = make_key()

    response = client.post(page_of(key), {"api_key": NEW, "rev": key.rev})

    assertRedirects(response, f"/admin/apikeys/apikey/{key.pk}/change/")
    assert opened(key) == {"api_key": NEW}
    event = AuditEvent.objects.about(key).get(act="edited")
    assert (event.channel, event.fields) == ("admin", ["api_key"])
    assert LogEntry.objects.get().get_change_message() == "Changed api_key."


def test_the_page_names_the_endpoints_that_are_touched(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("helper", key)

    assertContains(client.get(page_of(key)), "/endpoints/helper/")


def test_what_is_left_empty_is_kept(client: Client, make_key: MakeKey) -> None:
    key = make_key(provider="bedrock", scheme="access_keys", secrets=AWS)

    client.post(page_of(key), {"aws_session_token": "made-up-session-token-0002", "rev": key.rev})

    assert opened(key) == AWS | {"aws_session_token": "made-up-session-token-0002"}


def test_an_optional_part_is_removed(client: Client, make_key: MakeKey) -> None:
    key = make_key(provider="bedrock", scheme="access_keys", secrets=AWS)

    client.post(page_of(key), {"remove_aws_session_token": "on", "rev": key.rev})

    assert "aws_session_token" not in opened(key)


def test_nothing_typed_writes_no_event(client: Client, make_key: MakeKey) -> None:
    key = make_key()

    response = client.post(page_of(key), {"rev": key.rev}, follow=True)

    assertContains(response, "Nothing was changed")
    assert not AuditEvent.objects.about(key).filter(act="edited").exists()


def test_an_error_lands_on_its_field_and_what_was_typed_does_not_come_back(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()

    response = client.post(page_of(key), {"api_key": "sk-canary with-space", "rev": key.rev})

    assertContains(response, "contains spaces", status_code=422)
    assertNotContains(response, "canary", status_code=422)
    assert opened(key) == {"api_key": fakes.OPENAI_KEY}


def test_a_document_does_not_come_back_either(client: Client, make_key: MakeKey) -> None:
    key = make_key(provider="vertex_ai", scheme="service_account_json")
    broken = fakes.service_account(private_key="canary")

    response = client.post(page_of(key), {"vertex_credentials": broken, "rev": key.rev})

    assertContains(response, "not a PEM key", status_code=422)
    assertNotContains(response, "canary", status_code=422)


def test_the_second_editor_sees_a_conflict_and_nothing_is_replaced(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    client.post(page_of(key), {"api_key": NEW, "rev": key.rev})

    response = client.post(page_of(key), {"api_key": NEW[:-4] + "canary", "rev": key.rev})

    assertContains(response, "kim changed API key while you were editing", status_code=409)
    assertNotContains(response, "canary", status_code=409)
    assert opened(key) == {"api_key": NEW}
    again = {"api_key": NEW[:-4] + "last", "rev": response.context["form"]["rev"].value()}
    client.post(page_of(key), again)
    assert opened(key) == {"api_key": NEW[:-4] + "last"}


def test_an_unreadable_key_is_fixed_by_new_credentials(
    client: Client, make_key: MakeKey, settings: object
) -> None:
    key = make_key()
    settings.FERNET_KEYS = [generate_master_key()]

    assert client.get(page_of(key)).status_code == 200
    client.post(page_of(key), {"api_key": NEW, "rev": key.rev})

    assert opened(key) == {"api_key": NEW}


def test_a_method_without_credentials_has_none_to_replace(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key(provider="bedrock", scheme="default_chain")

    assertContains(client.get(page_of(key)), "stores no credentials")
    assertNotContains(client.get(f"/admin/apikeys/apikey/{key.pk}/change/"), "Replace credentials")


def test_the_page_is_kept_out_of_caches(client: Client, make_key: MakeKey) -> None:
    assert "no-store" in client.get(page_of(make_key())).headers["Cache-Control"]


def test_another_providers_key_is_refused_until_the_user_confirms(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    form = {"api_key": "sk-ant-api03-MadeUpForTests0000000000000000", "rev": key.rev}

    refused = client.post(page_of(key), form)
    insisted = client.post(page_of(key), {**form, "anyway": "on"})

    assertContains(refused, "This looks like an Anthropic key.", status_code=422)
    assertContains(refused, "Save as OpenAI anyway", status_code=422)
    assert insisted.status_code == 302
    assert opened(key) == {"api_key": form["api_key"]}


def test_a_pasted_block_fills_every_field(client: Client, make_key: MakeKey) -> None:
    key = make_key(provider="bedrock", scheme="access_keys", secrets=AWS)
    block = "AWS_ACCESS_KEY_ID=AKIAOTHERMADEUPKEY00 AWS_SECRET_ACCESS_KEY=" + "a" * 40

    client.post(page_of(key), {"aws_access_key_id": block, "rev": key.rev})

    changed = {"aws_access_key_id": "AKIAOTHERMADEUPKEY00", "aws_secret_access_key": "a" * 40}
    assert opened(key) == AWS | changed
