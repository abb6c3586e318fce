"""API keys in the admin: the list, the change form, the history."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys.models import ApiKey, CredentialVersion
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.keyring import generate_master_key
from tests import fakes
from tests.admin_forms import SignIn, details_of, queries_of
from tests.conftest import MakeEndpoint, MakeKey

LIST = "/admin/apikeys/apikey/"


def page_of(api_key: ApiKey) -> str:
    return f"{LIST}{api_key.pk}/change/"


def test_the_list_shows_keys_and_how_many_endpoints_use_them(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("acme-openai", team="search")
    make_endpoint("helper", key)
    make_endpoint("summaries", key)

    response = client.get(LIST)

    assertContains(response, "acme-openai")
    assertContains(response, '<td class="field-endpoints">2</td>', html=True)
    assertContains(response, f"…{fakes.OPENAI_KEY[-4:]}")


def test_the_list_asks_the_database_as_often_for_many_keys_as_for_one(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("endpoint-0", make_key("key-0"))
    few = queries_of(client, LIST)
    for number in range(1, 9):
        key = make_key(f"key-{number}", provider="anthropic" if number % 2 else "mistral")
        make_endpoint(f"endpoint-{number}", key)

    assert queries_of(client, LIST) == few


def test_keys_are_found_by_any_part_of_their_name_in_any_case(
    client: Client, make_key: MakeKey
) -> None:
    make_key("Acme-OpenAI")
    make_key("other")

    response = client.get(f"{LIST}?q=ME-open")

    assertContains(response, "Acme-OpenAI")
    assertNotContains(response, ">other<")


def test_keys_are_filtered_by_provider_and_environment(client: Client, make_key: MakeKey) -> None:
    ours = make_key("ours", provider="anthropic", environment="staging")
    make_key("theirs")

    for query in ("environment=staging", f"scheme__provider__id__exact={ours.provider.pk}"):
        response = client.get(f"{LIST}?{query}")

        assertContains(response, "ours")
        assertNotContains(response, ">theirs<")


def test_keys_are_filtered_by_status_and_the_list_shows_it(
    client: Client, make_key: MakeKey
) -> None:
    ours = make_key("ours")
    make_key("theirs")
    ApiKey.objects.filter(pk=ours.pk).update(refused_at=timezone.now(), enabled=False)

    for status in ("refused", "disabled"):
        response = client.get(f"{LIST}?status={status}")

        assertContains(response, "Refused by provider, Disabled")
        assertNotContains(response, ">theirs<")
    assert client.get(f"{LIST}?status=nonsense").status_code == 200


def test_expiry_and_interval_are_edited(client: Client, make_key: MakeKey) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    form = details_of(key, rotate_every_days=30, expires_at_0="2100-01-02", expires_at_1="03:04:05")

    client.post(page_of(key), form)

    key.refresh_from_db()
    assert (key.rotate_every_days, f"{key.expires_at:%F %T}") == (30, "2100-01-02 03:04:05")
    assert key.overdue_at is not None
    assert AuditEvent.objects.about(key).first().fields == ["expires_at", "rotate_every_days"]


def test_the_page_of_a_key_shows_which_secrets_are_stored_but_no_values(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key(api_base="https://eu.api.openai.com/v1")
    make_endpoint("helper", key)

    response = client.get(page_of(key))

    assertContains(response, "API key: stored")
    assertContains(response, "Readable")
    assertContains(response, "https://eu.api.openai.com/v1")
    assertContains(response, "/endpoints/helper/")
    assertContains(response, f'href="/admin/apikeys/apikey/{key.pk}/credentials/"')
    assertContains(response, f'href="/api-keys/{key.pk}/edit/"')
    assertNotContains(response, fakes.OPENAI_KEY)


def test_details_are_edited_in_one_act_with_one_event(client: Client, make_key: MakeKey) -> None:
    key = make_key()
    data = details_of(key, name="  renamed ", team="search", environment="staging")

    response = client.post(page_of(key), data)

    assertRedirects(response, LIST)
    stored = ApiKey.objects.get(pk=key.pk)
    assert (stored.name, stored.team, stored.environment) == ("renamed", "search", "staging")
    assert stored.rev == key.rev + 1
    event = AuditEvent.objects.about(key).get(act="edited")
    assert (event.channel, event.actor) == ("admin", "kim")
    assert event.fields == ["environment", "name", "team"]


def test_saving_without_a_change_writes_no_event(client: Client, make_key: MakeKey) -> None:
    key = make_key()

    client.post(page_of(key), details_of(key))

    assert not AuditEvent.objects.about(key).filter(act="edited").exists()
    assert ApiKey.objects.get(pk=key.pk).rev == key.rev


def test_a_name_that_is_taken_is_an_error_on_the_name(client: Client, make_key: MakeKey) -> None:
    make_key("taken")
    key = make_key("mine")

    response = client.post(page_of(key), details_of(key, name=" TAKEN "))

    assert response.context["adminform"].errors["name"] == [
        "Another API key already has this name."
    ]


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    client.post(page_of(key), details_of(key, team="first"))

    response = client.post(page_of(key), details_of(key, team="second"))

    assertContains(response, "while you were editing", status_code=409)
    assertContains(response, 'value="second"', status_code=409)
    assert ApiKey.objects.get(pk=key.pk).team == "first"
    form = response.context["adminform"].form
    again = {name: form[name].value() for name in ("revision", "base")}
    client.post(page_of(key), details_of(key, team="second", **{"choice-team": "mine"}, **again))
    assert ApiKey.objects.get(pk=key.pk).team == "second"


@pytest.mark.parametrize("rev", ["", "x", "-1", "99", "9" * 400])
def test_a_form_without_its_revision_changes_nothing(
    client: Client, make_key: MakeKey, rev: str
) -> None:
    key = make_key()

    response = client.post(page_of(key), details_of(key, team="new", revision=rev))

    assert response.status_code == 409
    assert ApiKey.objects.get(pk=key.pk).team == ""


def test_a_key_that_no_longer_matches_its_scheme_is_reported(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    ApiKey.objects.filter(pk=key.pk).update(config={"gone": "x"})

    response = client.post(page_of(key), details_of(key, team="new"))

    assertContains(
        response, "This authentication method does not have this field.", status_code=422
    )


def test_what_is_posted_beside_the_form_changes_nothing(
    client: Client, make_key: MakeKey, azure: object
) -> None:
    key = make_key()
    smuggled = {"scheme": azure.pk, "config": "{}", "current": "", "created_by": "mallory"}

    client.post(page_of(key), details_of(key, team="new", **smuggled))

    stored = ApiKey.objects.get(pk=key.pk)
    assert stored.team == "new"
    assert (stored.scheme_id, stored.config, stored.current_id, stored.created_by) == (
        key.scheme_id,
        key.config,
        key.current_id,
        key.created_by,
    )


def test_save_as_new_makes_no_key(client: Client, make_key: MakeKey) -> None:
    key = make_key()

    response = client.post(page_of(key), details_of(key, name="copy", _saveasnew="1"))

    assert response.status_code == 400
    assert ApiKey.objects.count() == 1


def test_adding_a_key_leads_to_the_page_whose_inputs_depend_on_the_provider(client: Client) -> None:
    assertRedirects(
        client.get(f"{LIST}add/"), reverse("apikeys:new"), fetch_redirect_response=False
    )


def test_nothing_is_done_to_keys_in_bulk(client: Client, make_key: MakeKey) -> None:
    key = make_key()
    bulk = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}

    assertNotContains(client.get(LIST), "delete_selected")
    client.post(LIST, bulk)

    assert ApiKey.objects.filter(pk=key.pk).exists()


@pytest.mark.parametrize("damage", ["another master key", "token", "no version"])
def test_a_key_that_does_not_open_is_shown_as_unreadable(
    client: Client, make_key: MakeKey, settings: object, damage: str
) -> None:
    key, other = make_key("broken"), make_key("whole")
    if damage == "another master key":
        settings.FERNET_KEYS = [generate_master_key()]
    elif damage == "token":
        token = CredentialVersion.objects.get(api_key=other).sealed
        CredentialVersion.objects.filter(api_key=key).update(sealed=token)
    else:
        ApiKey.objects.filter(pk=key.pk).update(current=None)

    assertContains(client.get(LIST), "broken")
    assertContains(client.get(page_of(key)), "Unreadable:")


def test_the_history_names_fields_and_never_values(client: Client, make_key: MakeKey) -> None:
    key = make_key()
    client.post(page_of(key), details_of(key, team="canary-team"))

    response = client.get(f"{LIST}{key.pk}/history/")

    assertContains(response, "Team")
    assertContains(response, "created")
    assertNotContains(response, "canary-team")
    entry = LogEntry.objects.get(object_id=str(key.pk))
    assert entry.get_change_message() == "Changed team."


def test_a_viewer_sees_and_changes_nothing(sign_in: SignIn, make_key: MakeKey) -> None:
    key = make_key()
    viewer = sign_in("view_apikey")

    page = viewer.get(page_of(key))

    assertContains(page, key.name)
    assertNotContains(page, "Replace credentials")
    assert viewer.post(page_of(key), details_of(key, team="new")).status_code == 403
    for path in ("credentials/", "delete/"):
        assert viewer.get(f"{LIST}{key.pk}/{path}").status_code == 403
        assert viewer.post(f"{LIST}{key.pk}/{path}").status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403


def test_staff_without_permission_see_no_keys(sign_in: SignIn, make_key: MakeKey) -> None:
    key = make_key()
    reader = sign_in()

    for path in ("", f"{key.pk}/change/", f"{key.pk}/history/", f"{key.pk}/credentials/"):
        assert reader.get(LIST + path).status_code == 403


def test_a_deleted_key_is_reported(client: Client) -> None:
    for path in ("change", "delete", "history"):
        response = client.get(f"{LIST}00000000-0000-0000-0000-000000000000/{path}/", follow=True)
        assertContains(response, "doesn’t exist")
    assert client.get(f"{LIST}00000000-0000-0000-0000-000000000000/credentials/").status_code == 404
    assert client.get(f"{LIST}nonsense/change/", follow=True).status_code == 200
