"""Editing an API key."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey, CredentialVersion
from apikeys.models.auth_scheme import RESERVED_FIELDS
from gatewayproject import keyring
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import edited, errors_in, html_of, inputs_of, messages_after, opened, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

CANARY = "sk-CanaryThatNoPageMayShow0123456789"
YESTERDAY = timezone.now() - timedelta(days=1)


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    """A key whose credentials were entered yesterday."""
    key = make_key("my-openai-key", team="Shop", description="Ours", organization="org-Acme")
    ApiKey.objects.filter(pk=key.pk).update(credentials_changed_at=YESTERDAY)
    return key


def test_the_page_is_filled_with_everything_but_the_secret(client: Client, key: ApiKey) -> None:
    response = client.get(f"/api-keys/{key.pk}/edit/")

    inputs = inputs_of(response)
    assert inputs["name"] == "my-openai-key"
    assert inputs["team"] == "Shop"
    assert inputs["organization"] == "org-Acme"
    assert inputs["api_key"] == ""
    assertContains(response, "Stored. Leave empty to keep it.")
    assertNotContains(response, OPENAI_KEY)


def test_no_scheme_may_have_a_field_that_hides_an_input(client: Client, key: ApiKey) -> None:
    page = client.get(f"/api-keys/{key.pk}/edit/")

    names = set(re.findall(r'<(?:input|select|textarea|button)\b[^>]* name="(\w+)"', html_of(page)))
    own = {spec.name for spec in key.scheme.specs}
    assert {"name", "test", "compromised"} <= names
    assert {name for name in names - own if not name.startswith("remove_")} <= RESERVED_FIELDS


def test_saving_the_page_as_it_is_changes_nothing(client: Client, key: ApiKey) -> None:
    inputs = inputs_of(client.get(f"/api-keys/{key.pk}/edit/"))

    response = client.post(
        f"/api-keys/{key.pk}/edit/",
        {**inputs, "environment": "production", "description": "Ours"},
    )

    assert messages_after(client, response) == ["Nothing was changed in my-openai-key."]
    assert AuditEvent.objects.about(key).count() == 1


def test_details_are_changed_and_the_credentials_stay(client: Client, key: ApiKey) -> None:
    form = edited(key, name="New name", environment="staging", team="", organization="")

    response = client.post(f"/api-keys/{key.pk}/edit/", form)

    assert response.headers["Location"] == f"/api-keys/{key.pk}/"
    assert messages_after(client, response) == ["Saved New name."]
    stored = ApiKey.objects.get()
    assert (stored.name, stored.environment, stored.team) == ("New name", "staging", "")
    assert "organization" not in stored.config
    assert stored.current_id == key.current_id
    assert stored.credentials_changed_at == YESTERDAY
    assert opened(stored) == {"api_key": OPENAI_KEY}
    event = AuditEvent.objects.about(key).first()
    assert (event.act, event.fields) == ("edited", ["environment", "name", "organization", "team"])


def test_new_credentials_take_the_place_of_the_old_ones(client: Client, key: ApiKey) -> None:
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=CANARY))

    stored = ApiKey.objects.get()
    assert opened(stored) == {"api_key": CANARY}
    assert stored.credentials_changed_at > YESTERDAY + timedelta(hours=1)
    assert stored.previous_id == key.current_id
    assert CredentialVersion.objects.get(pk=key.current_id).replaced_at is not None


def test_the_same_credentials_again_are_left_as_they_are(client: Client, key: ApiKey) -> None:
    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=OPENAI_KEY))

    assert messages_after(client, response) == [
        "Nothing was changed in my-openai-key.",
        "These credentials are already stored. They were not changed.",
    ]
    assert ApiKey.objects.get().credentials_changed_at == YESTERDAY


def test_compromised_credentials_are_destroyed_when_others_are_saved(
    client: Client, key: ApiKey
) -> None:
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=CANARY, compromised="on"))

    stored = ApiKey.objects.with_versions().get()
    assert opened(stored) == {"api_key": CANARY}
    assert stored.previous is None
    assert not CredentialVersion.objects.get(pk=key.current_id).sealed
    assert "had leaked" in AuditEvent.objects.about(key)[0].note


@pytest.mark.parametrize("typed", ["", OPENAI_KEY])
def test_compromised_credentials_need_others_in_their_place(
    client: Client, key: ApiKey, typed: str
) -> None:
    form = edited(key, name="renamed", api_key=typed, compromised="on")

    response = client.post(f"/api-keys/{key.pk}/edit/", form)

    assert response.status_code == 422
    assert set(errors_in(response)) == {"compromised"}
    assert ApiKey.objects.get().name == "my-openai-key"


def test_each_part_of_a_compound_credential_is_kept_or_replaced_on_its_own(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    before = opened(key)

    client.post(f"/api-keys/{key.pk}/edit/", edited(key, aws_secret_access_key="n" * 40))

    assert opened(key) == {**before, "aws_secret_access_key": "n" * 40}


def test_an_optional_part_is_added_and_removed(client: Client, make_key: MakeKey) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    url = f"/api-keys/{key.pk}/edit/"
    assert "remove_aws_session_token" not in inputs_of(client.get(url))

    client.post(url, edited(key, aws_session_token="t" * 40))
    assert opened(key)["aws_session_token"] == "t" * 40
    assert "remove_aws_session_token" in inputs_of(client.get(url))
    key.refresh_from_db()
    client.post(url, edited(key, remove_aws_session_token="on"))

    assert "aws_session_token" not in opened(key)


def test_a_required_part_cannot_be_removed(client: Client, key: ApiKey) -> None:
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, remove_api_key="on", team="New"))

    assert opened(key) == {"api_key": OPENAI_KEY}


def test_sending_the_key_elsewhere_demands_it_again(client: Client, key: ApiKey) -> None:
    elsewhere = {"api_base": "https://proxy.example.com/v1"}
    url = f"/api-keys/{key.pk}/edit/"

    refused = client.post(url, edited(key, **elsewhere))
    allowed = client.post(url, edited(key, **elsewhere, api_key=CANARY))

    assert refused.status_code == 422
    assert set(errors_in(refused)) == {"api_key"}
    assert inputs_of(refused)["api_base"] == "https://proxy.example.com/v1"
    assert allowed.status_code == 302
    assert opened(key) == {"api_key": CANARY}


def test_another_path_of_the_same_origin_needs_no_secret(client: Client, key: ApiKey) -> None:
    form = edited(key, api_base="https://api.openai.com/v2")

    assert client.post(f"/api-keys/{key.pk}/edit/", form).status_code == 302
    assert opened(key) == {"api_key": OPENAI_KEY}


def test_the_page_names_the_endpoints_that_are_affected(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)

    page = text_of(client.get(f"/api-keys/{key.pk}/edit/"))

    assert "1 endpoint will use the new values from the next request: search Active" in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "OTHER"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"environment": "x"}, "environment"),
        ({"team": "a\nb"}, "team"),
        ({"description": "x" * 1001}, "description"),
        ({"api_key": f"{CANARY} x"}, "api_key"),
        ({"api_key": f"{CANARY}\0"}, "api_key"),
        ({"api_key": "…wXyZ"}, "api_key"),
        ({"api_base": "https://169.254.169.254/v1"}, "api_base"),
        ({"api_base": "https://[", "api_key": CANARY}, "api_base"),
    ],
)
def test_an_error_is_shown_at_its_input(
    client: Client, key: ApiKey, make_key: MakeKey, changes: dict[str, str], field: str
) -> None:
    make_key("other", "anthropic")
    form = {**edited(key, team="kept"), "api_key": CANARY, **changes}

    response = client.post(f"/api-keys/{key.pk}/edit/", form)

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert "Canary" not in html_of(response)
    assert opened(key) == {"api_key": OPENAI_KEY}
    assert ApiKey.objects.get(pk=key.pk).name == "my-openai-key"


def test_a_wrong_address_alone_is_the_only_error(client: Client, key: ApiKey) -> None:
    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_base="nonsense"))

    assert "api_base" in errors_in(response)


def test_the_title_is_the_stored_name_while_another_is_typed(client: Client, key: ApiKey) -> None:
    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, name="x" * 99))

    assertContains(response, "Edit <bdi>my-openai-key</bdi>", status_code=422)


def test_a_key_keeps_its_own_name_in_other_letters(client: Client, key: ApiKey) -> None:
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, name="MY-OpenAI-key"))

    assert ApiKey.objects.get().name == "MY-OpenAI-key"


# --- Two people at once --------------------------------------------------------------------------


def test_the_second_editor_sees_a_conflict_and_keeps_the_input_except_credentials(
    client: Client, member: Client, key: ApiKey
) -> None:
    url = f"/api-keys/{key.pk}/edit/"
    client.post(url, edited(key, team="Search"))

    response = member.post(url, edited(key, description="Mine", api_key=CANARY))

    assert response.status_code == 409
    page = text_of(response)
    assert "while you were editing. Nothing is saved yet." in page
    assert "Mine" in html_of(response)
    assert CANARY not in html_of(response)
    assert opened(key) == {"api_key": OPENAI_KEY}
    assert ApiKey.objects.get().description == "Ours"


def test_the_second_editor_can_choose_to_save(client: Client, member: Client, key: ApiKey) -> None:
    url = f"/api-keys/{key.pk}/edit/"
    client.post(url, edited(key, team="Search"))
    form = edited(key, description="Mine")

    inputs = inputs_of(member.post(url, form))
    shown = {"rev": inputs["rev"], "base": inputs["base"]}
    choices = {"choice-team": "theirs", "choice-description": "mine"}
    response = member.post(url, form | shown | choices)

    assert response.status_code == 302
    assert ApiKey.objects.get().description == "Mine"


@pytest.mark.parametrize("rev", ["", "0", "1", "2147483647", "2147483648"])
def test_a_stale_form_changes_nothing(client: Client, key: ApiKey, rev: str) -> None:
    ApiKey.objects.filter(pk=key.pk).update(rev=7)

    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, team="Search", rev=rev))

    assert response.status_code in (409, 422)
    assert ApiKey.objects.get().team == "Shop"


@pytest.mark.parametrize("rev", ["99999999999999999999", "-1", "x", "1.5", "\0", "9" * 5000])
def test_a_revision_that_is_none_changes_nothing(client: Client, key: ApiKey, rev: str) -> None:
    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, team="Search", rev=rev))

    assert response.status_code in (409, 422)
    assert ApiKey.objects.get().team == "Shop"


def test_a_key_that_was_deleted_concurrently_is_not_found(client: Client, key: ApiKey) -> None:
    key.delete()

    for response in (
        client.get(f"/api-keys/{key.pk}/edit/"),
        client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=CANARY)),
    ):
        assertContains(response, "Page not found", status_code=404)
        assertNotContains(response, CANARY, status_code=404)


class _DeletesMeanwhile:
    """Deletes the key when a request, which has read it, is about to read it again."""

    def __init__(self, key: ApiKey) -> None:
        self.key, self.looks = key, 0

    def __call__(self, execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("SELECT") and 'FROM "apikeys_apikey"' in sql:
            self.looks += 1
            if self.looks == 2:
                ApiKey.objects.get(pk=self.key.pk).delete()
        return execute(sql, *args)


def test_a_key_that_is_deleted_in_the_middle_of_saving_is_not_found(
    client: Client, key: ApiKey
) -> None:
    with connection.execute_wrapper(_DeletesMeanwhile(key)):
        response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=CANARY))

    assert response.status_code == 404


# --- Keys that no master key opens ---------------------------------------------------------------


def test_an_unreadable_key_can_be_renamed_and_fixed(
    client: Client, key: ApiKey, settings: Settings
) -> None:
    settings.FERNET_KEYS = [keyring.generate_master_key()]
    url = f"/api-keys/{key.pk}/edit/"

    renamed = client.post(url, edited(key, name="renamed"))
    key.refresh_from_db()
    mended = client.post(url, edited(key, api_key=CANARY))

    assert renamed.status_code == mended.status_code == 302
    assert opened(key) == {"api_key": CANARY}


def test_of_an_unreadable_key_no_part_can_be_kept(
    client: Client, make_key: MakeKey, settings: Settings
) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    settings.FERNET_KEYS = [keyring.generate_master_key()]

    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, aws_secret_access_key="n" * 40))

    assert response.status_code == 422
    errors = errors_in(response)
    assert "Enter all credentials again" in errors["aws_access_key_id"]


def test_what_is_posted_beside_the_form_changes_nothing(client: Client, key: ApiKey) -> None:
    form = edited(key, team="New", id="1", scheme="2", provider="anthropic", created_by="eve")

    client.post(f"/api-keys/{key.pk}/edit/", form)

    stored = ApiKey.objects.get()
    assert (stored.pk, stored.scheme_id, stored.created_by) == (key.pk, key.scheme_id, "kim")


def test_the_same_credentials_under_another_name_are_noted(
    client: Client, key: ApiKey, make_key: MakeKey
) -> None:
    make_key("the-twin", secrets={"api_key": CANARY})

    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=f"Bearer {CANARY}"))

    assert messages_after(client, response) == [
        "Saved my-openai-key.",
        "Removed Bearer from the pasted text.",
        "The same credentials are also stored as “the-twin”.",
    ]
