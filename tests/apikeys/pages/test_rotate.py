"""Rotating an API key on its page, and switching it off and on."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys import credential_tests
from apikeys.models import ApiKey, CredentialVersion, Verdict
from apikeys.sealing import Secrets
from endpoints.models import Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests import drafts
from tests.browsing import edited, errors_in, html_of, inputs_of, messages_after, rows_of, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
THIRD_KEY = "sk-proj-YetAnother000000000000000000000000000ThRd"
Answer = Callable[[str], None]


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


@pytest.fixture
def rotated(key: ApiKey, by: Actor) -> ApiKey:
    """A key with all three: first previous, second current, third pending."""
    drafts.save(key, Secrets(api_key=NEW_KEY), by=by)
    drafts.stage(key, Secrets(api_key=THIRD_KEY), by=by)
    return fresh(key)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Say what the provider answers to a test from now on."""

    class Fake:
        outcome = Verdict.WORKS

        def test(self, api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
            return credential_tests.ProbeResult(self.outcome, f"In our words: {self.outcome}.")

    monkeypatch.setattr(credential_tests, "_registered", Fake())
    cache.clear()  # the tests before took their turn
    return lambda outcome: setattr(Fake, "outcome", outcome)


def fresh(key: ApiKey) -> ApiKey:
    return ApiKey.objects.with_versions().get(pk=key.pk)


def slots(key: ApiKey) -> tuple[str | None, ...]:
    key = fresh(key)
    return tuple(version and version.hint for version in (key.pending, key.current, key.previous))


def url(key: ApiKey, page: str = "") -> str:
    return f"/api-keys/{key.pk}/{page}"


def card(response: Any) -> str:
    """Return what the card with the versions says."""
    html = html_of(response)
    return text_of(html[html.index('id="credentials"') : html.index('id="settings-title"')])


def buttons(response: Any) -> list[str]:
    html = html_of(response)
    part = html[html.index('id="credentials"') : html.index('id="settings-title"')]
    found = re.findall(r'<(?:a|button) class="button[^>]*>(.*?)</(?:a|button)>', part, re.DOTALL)
    return [text_of(button) for button in found]


# --- The card ----------------------------------------------------------------------------------


def test_the_card_shows_each_version_and_its_possible_actions(
    client: Client, rotated: ApiKey
) -> None:
    response = client.get(url(rotated))

    shown = card(response)
    for text in ("Pending …ThRd", "Current …NeWx", "Previous …wXyZ", "by kim", "kept until"):
        assert text in shown
    assert shown.index("Pending") < shown.index("Current") < shown.index("Previous")
    assert buttons(response) == [
        "Stage new credentials",
        *("Test", "Promote", "Discard"),
        *("Test",),
        *("Test", "Roll back", "Destroy"),
    ]
    for secret in (OPENAI_KEY, NEW_KEY, THIRD_KEY, "gAAAA"):
        assertNotContains(response, secret)


def test_a_new_key_has_only_current_credentials(client: Client, key: ApiKey) -> None:
    response = client.get(url(key))

    assert buttons(response) == ["Stage new credentials", "Test"]
    assert "Pending" not in card(response)


def test_there_is_nothing_to_stage_where_nothing_is_stored(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key("chain", "bedrock", "default_chain")

    response = client.get(url(key))

    assert "Server identity" in card(response)
    assert buttons(response) == ["Test"]
    assertContains(client.get(url(key, "stage/")), "there is nothing to rotate")


def test_what_was_sealed_for_another_place_is_not_offered(
    client: Client, rotated: ApiKey, by: Actor
) -> None:
    elsewhere = {"api_base": "https://proxy.example.com/v1", "api_key": NEW_KEY}
    client.post(url(rotated, "edit/"), edited(rotated, **elsewhere))

    response = client.get(url(rotated))
    refused = client.post(url(rotated, "roll-back/"), {"rev": fresh(rotated).rev})

    assert buttons(response) == [
        "Stage new credentials", "Discard", "Test", "Destroy",
    ]  # fmt: skip
    assert "not encrypted for https://proxy.example.com" in card(response)
    assertContains(refused, "not encrypted for https://proxy.example.com", status_code=422)
    assert fresh(rotated).current.hint == "NeWx"


# --- Stage -------------------------------------------------------------------------------------


def test_new_credentials_are_staged(client: Client, key: ApiKey) -> None:
    form = inputs_of(client.get(url(key, "stage/")))
    assert form == {"rev": "1", "api_key": "", "expires_at": ""}

    response = client.post(url(key, "stage/"), {**form, "api_key": NEW_KEY})

    assert messages_after(client, response) == [
        "Staged new credentials for my-openai-key. Test them, then promote them."
    ]
    assert slots(key) == ("NeWx", "wXyZ", None)


def test_the_day_on_which_staged_credentials_expire_is_typed(client: Client, key: ApiKey) -> None:
    day = timezone.localdate() + timedelta(days=40)

    client.post(url(key, "stage/"), {"rev": 1, "api_key": NEW_KEY, "expires_at": str(day)})

    assert timezone.localdate(fresh(key).pending.expires_at) == day
    assert f"expires {day:%b} {day.day}, {day.year}" in card(client.get(url(key)))
    assert fresh(key).expires_at is None


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"api_key": ""}, "api_key"),
        ({"api_key": f"{NEW_KEY} and more"}, "api_key"),
        ({"api_key": OPENAI_KEY}, "api_key"),
        ({"api_key": NEW_KEY, "expires_at": "2020-01-01"}, "expires_at"),
        ({"api_key": NEW_KEY, "expires_at": "9999-99-99"}, "expires_at"),
        ({"api_key": NEW_KEY, "expires_at": "9999-12-31"}, "expires_at"),
    ],
)
def test_errors_are_shown_at_their_inputs_without_the_secrets(
    client: Client, key: ApiKey, form: dict[str, str], field: str
) -> None:
    response = client.post(url(key, "stage/"), {"rev": 1, **form})

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assertNotContains(response, "sk-proj", status_code=422)
    assert slots(key) == (None, "wXyZ", None)


def test_parts_that_are_left_empty_are_kept(client: Client, make_key: MakeKey) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    page = client.get(url(key, "stage/"))
    assertContains(page, "Leave a field empty to keep its current value.")

    client.post(url(key, "stage/"), {"rev": 1, "aws_secret_access_key": "n" * 40})

    assert fresh(key).pending.parts == ["aws_access_key_id", "aws_secret_access_key"]


def test_promote_is_refused_when_a_kept_secret_was_edited_after_staging(
    client: Client, make_key: MakeKey
) -> None:
    secrets = {"api_key": "pk-made-up-000000000000001", "portkey_config": "pc-first"}
    key = make_key("portkey", "portkey", secrets=secrets, portkey_provider="openai")
    client.post(url(key, "stage/"), {"rev": 1, "api_key": "pk-made-up-000000000000002"})
    client.post(url(key, "edit/"), edited(fresh(key), portkey_config="pc-second"))

    page = client.get(url(key))
    refused = client.post(url(key, "promote/"), {"rev": fresh(key).rev, "confirmation": key.name})

    shown = "Promoting these credentials would undo a later edit: Config ID or JSON."
    assert shown in card(page)
    assert "Promote" not in buttons(page)
    assertContains(refused, f"{shown} Enter them again.", status_code=422)


def test_staging_again_says_what_becomes_of_the_pending_ones(
    client: Client, rotated: ApiKey
) -> None:
    assertContains(client.get(url(rotated, "stage/")), "This key already has pending credentials.")


# --- Test --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "badge"),
    [
        (Verdict.WORKS, "Test passed"),
        (Verdict.REFUSED, "Test refused"),
        (Verdict.UNCHECKABLE, "Not verifiable"),
        (Verdict.RATE_LIMITED, "Test rate limited"),
    ],
)
def test_a_test_says_what_was_found_and_the_page_remembers(
    client: Client, rotated: ApiKey, answer: Answer, outcome: str, badge: str
) -> None:
    answer(outcome)

    response = client.post(url(rotated, "test/"), {"rev": rotated.rev, "slot": "pending"})

    assert messages_after(client, response) == [f"In our words: {outcome}."]
    shown = card(client.get(url(rotated)))
    assert f"Pending …ThRd {badge}" in shown
    assert "tested just now" in shown


def test_tests_take_turns(client: Client, rotated: ApiKey, answer: Answer) -> None:
    form = {"rev": rotated.rev, "slot": "pending"}
    client.post(url(rotated, "test/"), form)

    response = client.post(url(rotated, "test/"), form)

    assertContains(response, "Please wait 2 seconds", status_code=422)
    assert AuditEvent.objects.filter(act="tested credentials").count() == 1


@pytest.mark.parametrize("slot", ["", "nonsense", "rev", "__class__"])
def test_there_is_no_other_slot(client: Client, rotated: ApiKey, answer: Answer, slot: str) -> None:
    response = client.post(url(rotated, "test/"), {"rev": rotated.rev, "slot": slot})

    assert response.status_code == 422


# --- Promote, roll back, discard, destroy ------------------------------------------------------


def test_what_passed_its_test_is_promoted_with_one_press(
    client: Client, rotated: ApiKey, answer: Answer, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", rotated)
    client.post(url(rotated, "test/"), {"rev": rotated.rev, "slot": "pending"})
    page = client.get(url(rotated, "promote/"))
    form = inputs_of(page)
    assert set(form) == {"rev", "compromised"}
    assert "1 endpoint uses this key: search Active" in text_of(page)

    response = client.post(url(rotated, "promote/"), {"rev": form["rev"]})

    assertRedirects(response, url(rotated))
    assert slots(rotated) == (None, "ThRd", "NeWx")


def test_what_was_not_tested_is_promoted_by_typing_the_name(
    client: Client, rotated: ApiKey
) -> None:
    form = {"rev": rotated.rev}

    refused = client.post(url(rotated, "promote/"), form)
    client.post(url(rotated, "promote/"), {**form, "confirmation": "my-openai-key"})

    assert refused.status_code == 422
    assert set(errors_in(refused)) == {"confirmation"}
    assert slots(rotated) == (None, "ThRd", "NeWx")


def test_compromised_credentials_are_destroyed_when_others_are_promoted(
    client: Client, rotated: ApiKey
) -> None:
    form = {"rev": rotated.rev, "confirmation": rotated.name, "compromised": "on"}

    client.post(url(rotated, "promote/"), form)

    assert slots(rotated) == (None, "ThRd", None)
    assert not CredentialVersion.objects.get(pk=rotated.current_id).sealed


def test_one_rolls_back_and_forward_again(client: Client, rotated: ApiKey) -> None:
    response = client.post(url(rotated, "roll-back/"), {"rev": rotated.rev})

    assert messages_after(client, response) == [
        "Rolled back: my-openai-key uses the previous credentials again."
    ]
    assert slots(rotated) == ("ThRd", "wXyZ", "NeWx")
    client.post(url(rotated, "roll-back/"), {"rev": fresh(rotated).rev})
    assert slots(rotated) == ("ThRd", "NeWx", "wXyZ")


def test_pending_credentials_are_discarded(client: Client, rotated: ApiKey) -> None:
    client.post(url(rotated, "discard/"), inputs_of(client.get(url(rotated, "discard/"))))

    assert slots(rotated) == (None, "NeWx", "wXyZ")


def test_previous_credentials_are_destroyed(client: Client, rotated: ApiKey) -> None:
    client.post(url(rotated, "destroy/"), inputs_of(client.get(url(rotated, "destroy/"))))

    assert slots(rotated) == ("ThRd", "NeWx", None)


@pytest.mark.parametrize("act", ["promote", "discard", "roll-back", "destroy"])
def test_the_page_reports_that_there_is_nothing_to_do(
    client: Client, key: ApiKey, act: str
) -> None:
    assertContains(client.get(url(key, f"{act}/")), "This key has no ")
    refused = client.post(url(key, f"{act}/"), {"rev": 1, "confirmation": key.name})
    assertContains(refused, "There are no p", status_code=422)


@pytest.mark.parametrize(
    "act", ["stage", "test", "promote", "roll-back", "discard", "destroy", "disable", "enable"]
)
def test_the_second_user_sees_what_changed_and_nothing_is_done(
    client: Client, rotated: ApiKey, answer: Answer, act: str
) -> None:
    old = {"rev": rotated.rev, "slot": "pending", "confirmation": rotated.name, "api_key": NEW_KEY}
    client.post(url(rotated, "edit/"), edited(rotated, team="Search"))
    before, events = slots(rotated), AuditEvent.objects.count()

    response = client.post(url(rotated, f"{act}/"), old)

    assert response.status_code == 409
    page = text_of(response)
    assert "kim edited this key just now (Team)" in page
    assert inputs_of(response)["rev"] == str(fresh(rotated).rev)
    assert NEW_KEY not in html_of(response)
    assert (slots(rotated), AuditEvent.objects.count()) == (before, events)


def test_a_conflict_with_a_rotation_reads_well(client: Client, rotated: ApiKey) -> None:
    client.post(url(rotated, "roll-back/"), {"rev": rotated.rev})

    response = client.post(url(rotated, "promote/"), {"rev": rotated.rev})

    assert "kim rolled back credentials of this key just now" in text_of(response)
    assert "kim rolled back credentials of API key my-openai-key" in text_of(
        client.get("/activity/")
    )


# --- Refused by the provider -------------------------------------------------------------------


def test_a_refusal_is_shown_with_one_click_to_roll_back(client: Client, rotated: ApiKey) -> None:
    ApiKey.objects.filter(pk=rotated.pk).update(refused_at=timezone.now())

    page, rows = client.get(url(rotated)), client.get("/api-keys/")

    for response in (page, rows):
        assertContains(response, "Refused by provider")
        assertContains(response, f'action="{url(rotated, "roll-back/")}"')
        assertContains(response, f'name="rev" value="{rotated.rev}"')
    client.post(url(rotated, "roll-back/"), {"rev": rotated.rev})
    assertNotContains(client.get("/api-keys/"), '<span class="badge danger">Refused')
    assert slots(rotated)[1] == "wXyZ"


def test_without_previous_credentials_a_refusal_says_what_to_do(
    client: Client, key: ApiKey
) -> None:
    ApiKey.objects.filter(pk=key.pk).update(refused_at=timezone.now())

    assertContains(client.get(url(key)), "Edit the key and enter new credentials.")
    assertNotContains(client.get("/api-keys/"), "Roll back")


# --- Disable and enable ------------------------------------------------------------------------


def test_a_key_that_nothing_uses_is_disabled_with_one_press(client: Client, key: ApiKey) -> None:
    page = html_of(client.get(url(key)))
    form = re.search(rf'action="{url(key, "disable/")}".*?</form>', page, re.DOTALL)[0]
    values = dict(re.findall(r'name="(rev|seen)" value="([^"]*)"', form))

    response = client.post(url(key, "disable/"), values)

    shown = messages_after(client, response)[0]
    assert shown == "Disabled my-openai-key. Requests no longer use it."
    page = client.get(url(key))
    assertContains(page, "This key is disabled.")
    client.post(url(key, "enable/"), {"rev": 2})
    assert fresh(key).enabled


def test_a_key_in_use_is_disabled_on_a_page_that_names_what_depends_on_it(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    assertNotContains(client.get(url(key)), f'action="{url(key, "disable/")}"')
    page = client.get(url(key, "disable/"))
    shown = text_of(page)
    assert "1 endpoint uses this key; 1 would stop working." in shown

    blind = client.post(url(key, "disable/"), {"rev": key.rev})
    assert blind.status_code == 409
    assert fresh(key).enabled
    client.post(url(key, "disable/"), inputs_of(page))

    assert not fresh(key).enabled


def test_a_disabled_key_is_no_help_to_an_endpoint(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    other = make_key("other")
    routes = [Route(api_key=each, model="gpt-5", weight=50) for each in (key, other)]
    make_endpoint("search", routes=routes)
    assert "would stop working" not in text_of(client.get(url(key, "disable/")))

    ApiKey.objects.filter(pk=other.pk).update(enabled=False)

    assert "1 would stop working" in text_of(client.get(url(key, "disable/")))


def test_an_endpoint_added_concurrently_is_a_conflict(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    form = inputs_of(client.get(url(key, "disable/")))
    make_endpoint("assist", key)

    response = client.post(url(key, "disable/"), form)

    assert response.status_code == 409
    page = text_of(response)
    assert "2 endpoints use this key" in page
    assert "The endpoints using this key have changed since you opened this page" in page
    assert "created this key" not in page  # which is the last thing that anybody did to it


def test_a_conflict_is_one_without_any_history(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_auditevent")

    response = client.post(url(key, "disable/"), {"rev": key.rev})

    assertContains(
        response,
        "The endpoints using this key have changed since you opened this page.",
        status_code=409,
    )


# --- The policy --------------------------------------------------------------------------------


def test_expiry_and_interval_are_typed_and_shown(client: Client, key: ApiKey) -> None:
    day = timezone.localdate() + timedelta(days=100)
    form = edited(key, expires_at=str(day), rotate_every_days="90")

    client.post(url(key, "edit/"), form)

    key = fresh(key)
    assert (timezone.localdate(key.expires_at), key.rotate_every_days) == (day, 90)
    assert AuditEvent.objects.about(key).first().fields == ["expires_at", "rotate_every_days"]
    inputs = inputs_of(client.get(url(key, "edit/")))
    assert (inputs["expires_at"], inputs["rotate_every_days"]) == (str(day), "90")
    assert "Every 90 days: by" in text_of(client.get(url(key)))


def test_saving_the_form_as_it_is_keeps_a_moment_of_the_day_and_of_the_past(
    client: Client, key: ApiKey
) -> None:
    for moment in (timezone.now() + timedelta(hours=3), timezone.now() - timedelta(days=9)):
        CredentialVersion.objects.filter(pk=key.current_id).update(expires_at=moment)
        ApiKey.objects.filter(pk=key.pk).update(expires_at=moment)
        inputs = inputs_of(client.get(url(key, "edit/")))

        response = client.post(
            url(key, "edit/"), {**inputs, "environment": "production", "description": ""}
        )

        assert messages_after(client, response) == ["Nothing was changed in my-openai-key."]
        assert fresh(key).expires_at == moment


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rotate_every_days", "0"),
        ("rotate_every_days", "-1"),
        ("rotate_every_days", "3651"),
        ("rotate_every_days", "9" * 5000),
        ("rotate_every_days", "x"),
        ("expires_at", "2020-01-01"),
        ("expires_at", "0001-01-01"),
        ("expires_at", "9999-12-31"),
        ("expires_at", "tomorrow"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_at_its_input(
    client: Client, key: ApiKey, field: str, value: str
) -> None:
    response = client.post(url(key, "edit/"), edited(key, **{field: value}))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}


def test_the_list_shows_and_filters_by_status(client: Client, make_key: MakeKey) -> None:
    past, ahead = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=9)
    states = {
        "disabled": {"enabled": False},
        "due": {"due_at": past, "overdue_at": ahead},
        "expired": {"expires_at": past},
        "expiring": {"expires_at": ahead},
        "fine": {},
        "overdue": {"due_at": past, "overdue_at": past},
        "refused": {"refused_at": past},
    }
    for name, values in states.items():
        make_key(name)
        if values:
            ApiKey.objects.filter(name=name).update(**values)

    rows = rows_of(client.get("/api-keys/"))

    assert {row["Name"]: row["Key"] for row in rows} == {
        "disabled": "…wXyZ Disabled",
        "due": "…wXyZ Due",
        "expired": "…wXyZ",
        "expiring": "…wXyZ",
        "fine": "…wXyZ",
        "overdue": "…wXyZ Overdue",
        "refused": "…wXyZ Refused by provider",
    }
    expiries = {row["Name"]: row["Expires"] for row in rows if row["Expires"] != "—"}
    assert expiries.keys() == {"expired", "expiring"}
    assert expiries["expired"].endswith(" Expired")
    assert expiries["expiring"].endswith(" Expires in 8 days")
    for status in ("disabled", "due", "expired", "expiring", "overdue", "refused"):
        response = client.get(f"/api-keys/?status={status}")
        assert [row["Name"] for row in rows_of(response)] == [status]
        assertContains(response, f'<option value="{status}" selected>')
    assertContains(client.get("/api-keys/?status=nonsense"), "No matching API keys")


def test_the_list_shows_the_age_of_old_credentials(client: Client, key: ApiKey) -> None:
    CredentialVersion.objects.update(created_at=timezone.now() - timedelta(days=94))

    assert rows_of(client.get("/api-keys/"))[0]["Last updated"].endswith("94 days old")


def test_rolling_back_makes_old_credentials_no_younger(client: Client, rotated: ApiKey) -> None:
    old = CredentialVersion.objects.filter(pk=rotated.previous_id)
    old.update(created_at=timezone.now() - timedelta(days=94))

    client.post(url(rotated, "roll-back/"), {"rev": rotated.rev})

    assert rows_of(client.get("/api-keys/"))[0]["Last updated"] == "just now 94 days old"


def test_another_providers_key_is_staged_only_if_the_user_confirms(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key()
    url = f"/api-keys/{key.pk}/stage/"
    form = {"api_key": "sk-ant-api03-MadeUpForTests0000000000000000", "rev": key.rev}

    refused = client.post(url, form)
    insisted = client.post(url, {**form, "anyway": "on"})

    assertContains(refused, "This looks like an Anthropic key.", status_code=422)
    assertContains(refused, "Save as OpenAI anyway", status_code=422)
    assert insisted.status_code == 302


def test_pages_that_end_credentials_link_to_revoking_them_at_the_provider(
    client: Client, rotated: ApiKey
) -> None:
    link = f'<a href="{rotated.provider.keys_url}"'
    for act in ("promote", "discard", "destroy", "disable"):
        page = client.get(url(rotated, f"{act}/"))
        assertContains(page, "OpenAI still accepts the credentials until you")
        assertContains(page, link)
    assertNotContains(client.get(url(rotated, "roll-back/")), "still accepts")

    rotated.provider.keys_url = ""
    rotated.provider.save()
    assertNotContains(client.get(url(rotated, "disable/")), "still accepts")
