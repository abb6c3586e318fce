"""Rotating an API key: stage, test, promote, roll back, discard, destroy; disable and enable."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys import credential_tests, services
from apikeys.blast_radius import blast_radius_of
from apikeys.catalogue.provider_errors import Cause
from apikeys.models import ApiKey, CredentialVersion, Restriction, Verdict
from apikeys.sealing import Role, Secrets
from gatewayproject import keyring
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from tests import drafts
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
AWS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "made+up/session/token==",
}
PORTKEY = {"api_key": "pk-made-up-000000000000001", "portkey_config": "pc-first"}
Answer = Callable[..., None]


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return fresh(make_key("my-openai-key"))


@pytest.fixture
def staged(key: ApiKey, by: Actor) -> ApiKey:
    """A key with new credentials that are pending."""
    return stage(key, by)


@pytest.fixture
def promoted(staged: ApiKey, by: Actor) -> ApiKey:
    """A key whose new credentials are current, and the old ones previous."""
    services.promote_credentials(staged, by=by, rev=staged.rev, confirmation="my-openai-key")
    return fresh(staged)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Say what the provider answers to a test from now on; ``asked`` are the secrets it saw."""

    class Fake:
        asked: list[dict[str, str]] = []
        reaches_api = True

        def test(self, api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
            self.asked.append(dict(secrets))
            return credential_tests.ProbeResult(
                self.outcome, "In our words.", reached_api=self.reaches_api
            )

    fake = Fake()
    monkeypatch.setattr(credential_tests, "_registered", fake)

    def say(outcome: str) -> Any:
        fake.outcome = outcome
        return fake

    return say


def fresh(key: ApiKey) -> ApiKey:
    return ApiKey.objects.with_versions().get(pk=key.pk)


def stage(key: ApiKey, by: Actor, secret: str = NEW_KEY, **how: Any) -> ApiKey:
    drafts.stage(key, Secrets(api_key=secret), by=by, **how)
    return fresh(key)


def secret_in(key: ApiKey, slot: str) -> str | None:
    key = fresh(key)
    version = getattr(key, slot)
    return version and version.open_for(key, towards=key.origins())["api_key"]


def slots(key: ApiKey) -> tuple[str | None, ...]:
    """Return the hints of the pending, the current and the previous version."""
    key = fresh(key)
    return tuple(version and version.hint for version in (key.pending, key.current, key.previous))


def last_act(key: ApiKey) -> tuple[str, list[str]]:
    event = AuditEvent.objects.about(key).first()
    return event.act, event.fields


# --- Stage -------------------------------------------------------------------------------------


def test_staged_credentials_wait_and_nothing_else_changes(key: ApiKey, by: Actor) -> None:
    before = fresh(key)

    after = stage(key, by)

    assert slots(after) == ("NeWx", "wXyZ", None)
    assert secret_in(after, "pending") == NEW_KEY
    assert secret_in(after, "current") == OPENAI_KEY
    assert after.credentials_changed_at == before.credentials_changed_at
    assert after.rev == before.rev + 1
    assert last_act(key) == ("staged credentials", ["api_key"])


def test_parts_that_are_not_typed_are_kept_from_the_current(make_key: MakeKey, by: Actor) -> None:
    key = make_key("aws", "bedrock", "access_keys", secrets=AWS)

    drafts.stage(
        key, Secrets(aws_secret_access_key="n" * 40), by=by, rev=1, remove=["aws_session_token"]
    )

    key = fresh(key)
    assert key.pending.open_for(key, towards=key.origins()) == {
        "aws_access_key_id": AWS["aws_access_key_id"],
        "aws_secret_access_key": "n" * 40,
    }
    assert key.current.parts == sorted(AWS)


@pytest.fixture
def portkey(make_key: MakeKey, by: Actor) -> ApiKey:
    """A key of two parts: one is staged again, the other is unchanged."""
    key = make_key("portkey", "portkey", secrets=PORTKEY, portkey_provider="openai")
    return stage(key, by, "pk-made-up-000000000000002")


def secrets_in_use(key: ApiKey) -> dict[str, str]:
    key = fresh(key)
    return key.current.open_for(key, towards=key.origins())


def edit(key: ApiKey, by: Actor, *, remove: Any = (), **secrets: str) -> ApiKey:
    drafts.save(key, Secrets(secrets), by=by, remove=remove)
    return fresh(key)


@pytest.mark.parametrize(
    ("change", "left"),
    [({"portkey_config": "pc-second"}, "pc-second"), ({"remove": ["portkey_config"]}, None)],
)
def test_what_was_edited_since_is_not_undone_by_promoting(
    portkey: ApiKey, by: Actor, change: dict[str, Any], left: str | None
) -> None:
    key = edit(portkey, by, **change)

    with pytest.raises(ValidationError, match="would undo a later edit: Config ID or JSON"):
        services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)

    assert secrets_in_use(key) == {
        **({"portkey_config": left} if left else {}),
        "api_key": PORTKEY["api_key"],
    }
    key = stage(key, by, "pk-made-up-000000000000002")
    services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)
    assert secrets_in_use(key).get("portkey_config") == left


def test_a_part_that_came_since_is_not_dropped_by_promoting(make_key: MakeKey, by: Actor) -> None:
    alone = {"api_key": PORTKEY["api_key"]}
    key = make_key("portkey", "portkey", secrets=alone, portkey_provider="openai")
    key = edit(stage(key, by, "pk-made-up-000000000000002"), by, portkey_config="pc-first")

    with pytest.raises(ValidationError, match="Config ID or JSON"):
        services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)


def test_what_was_edited_since_and_was_typed_when_staging_is_promoted(
    portkey: ApiKey, by: Actor
) -> None:
    key = edit(portkey, by, api_key="pk-made-up-000000000000003")

    services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)

    assert secrets_in_use(key) == {**PORTKEY, "api_key": "pk-made-up-000000000000002"}
    back = fresh(key)
    services.roll_back_credentials(back, by=by, rev=back.rev)
    assert secrets_in_use(key) == {**PORTKEY, "api_key": "pk-made-up-000000000000003"}


def test_what_was_pending_is_destroyed_when_something_else_is_staged(
    staged: ApiKey, by: Actor
) -> None:
    first = staged.pending

    stage(staged, by, "sk-proj-YetAnother000000000000000000000000000ThRd")

    first.refresh_from_db()
    assert first.sealed is None
    assert slots(staged) == ("ThRd", "wXyZ", None)


@pytest.mark.parametrize(
    "typed", [{}, {"api_key": ""}, {"api_key": OPENAI_KEY}, {"api_key": "x y"}]
)
def test_nothing_new_is_not_staged(key: ApiKey, by: Actor, typed: dict[str, str]) -> None:

    with pytest.raises(ValidationError) as refusal:
        drafts.stage(key, Secrets(typed), by=by)

    assert set(refusal.value.message_dict) == {"api_key"}
    assert slots(key) == (None, "wXyZ", None)
    assert AuditEvent.objects.about(key).count() == 1


def test_a_method_without_credentials_has_nothing_to_stage(make_key: MakeKey, by: Actor) -> None:
    key = make_key("chain", "bedrock", "default_chain")

    with pytest.raises(ValidationError):
        drafts.stage(key, by=by, rev=1)


def test_a_required_part_is_not_left_out_of_what_is_staged(make_key: MakeKey, by: Actor) -> None:
    key = make_key("aws", "bedrock", "access_keys", secrets=AWS)

    with pytest.raises(ValidationError) as refusal:
        drafts.stage(key, by=by, rev=1, remove=["aws_access_key_id"])

    assert set(refusal.value.message_dict) == {"aws_access_key_id"}


# --- Test --------------------------------------------------------------------------------------


def test_a_test_asks_with_the_pending_credentials_and_keeps_the_answer(
    staged: ApiKey, by: Actor, answer: Answer
) -> None:
    provider = answer(Verdict.WORKS)

    result = services.run_credential_test(staged, by=by, rev=staged.rev)

    assert provider.asked == [{"api_key": NEW_KEY}]
    assert result.passed
    pending = fresh(staged).pending
    assert pending.has_passed
    assert timezone.now() >= pending.tested_at
    assert AuditEvent.objects.about(staged).first().note == "pending: works"
    assert fresh(staged).rev == staged.rev


RESTRICTIONS = {
    "location": (Cause.LOCATION, "unsupported_country_region_territory"),
    "firewall": (Cause.CHALLENGE, ""),
    "address": (Cause.NOT_PERMITTED, "ip_not_authorized"),
    "service": (Cause.NOT_PERMITTED, "SERVICE_DISABLED"),
    "model": (Cause.NOT_PERMITTED, "model_not_found"),
    "scope": (Cause.NOT_PERMITTED, ""),
    "missing": (Cause.MODEL_MISSING, ""),
    "credit": (Cause.NO_CREDIT, "insufficient_quota"),
}


def restrict(key: ApiKey) -> None:
    facts = {"status": 403, "since": timezone.now(), "last_at": timezone.now()}
    for model, (cause, code) in RESTRICTIONS.items():
        Restriction.objects.create(
            version=key.current, model=model, cause=cause, code=code, **facts
        )
    ApiKey.objects.filter(pk=key.pk).update(restricted=True)


def restricted_models() -> set[str]:
    return set(Restriction.objects.values_list("model", flat=True))


def test_a_test_that_passes_lifts_the_restrictions_that_hold_for_every_call(
    key: ApiKey, by: Actor, answer: Answer
) -> None:
    restrict(key)
    answer(Verdict.WORKS)

    services.run_credential_test(key, by=by, rev=key.rev, slot="current")

    assert restricted_models() == {"model", "scope", "missing", "credit"}
    assert fresh(key).restricted
    events = AuditEvent.objects.about(key).filter(act="served again")
    assert {event.actor for event in events} == {by.name}
    assert events.count() == 4

    Restriction.objects.exclude(model="scope").delete()
    Restriction.objects.update(cause=Cause.LOCATION)
    services.run_credential_test(key, by=by, rev=key.rev, slot="current")
    assert not fresh(key).restricted


@pytest.mark.parametrize(
    ("outcome", "reaches_api", "slot"),
    [
        (Verdict.WORKS, False, "current"),  # at a token service
        (Verdict.UNCHECKABLE, True, "current"),
        (Verdict.REFUSED, True, "current"),
        (Verdict.WORKS, True, "pending"),
    ],
)
def test_a_test_that_proves_nothing_about_a_restriction_lifts_none(
    staged: ApiKey, by: Actor, answer: Answer, outcome: Verdict, reaches_api: bool, slot: str
) -> None:
    restrict(staged)
    answer(outcome).reaches_api = reaches_api

    services.run_credential_test(staged, by=by, rev=staged.rev, slot=slot)

    assert restricted_models() == set(RESTRICTIONS)
    assert fresh(staged).restricted


def test_credentials_in_use_are_marked_by_what_a_test_finds(
    key: ApiKey, by: Actor, answer: Answer
) -> None:
    answer(Verdict.REFUSED)
    services.run_credential_test(key, by=by, rev=key.rev, slot="current")
    assert fresh(key).refused_at is not None

    answer(Verdict.RATE_LIMITED)
    services.run_credential_test(key, by=by, rev=key.rev, slot="current")
    assert fresh(key).refused_at is not None

    answer(Verdict.WORKS)
    services.run_credential_test(key, by=by, rev=key.rev, slot="current")
    assert fresh(key).refused_at is None


def test_a_refused_test_of_pending_credentials_says_nothing_about_those_in_use(
    staged: ApiKey, by: Actor, answer: Answer
) -> None:
    answer(Verdict.REFUSED)

    services.run_credential_test(staged, by=by, rev=staged.rev)

    assert fresh(staged).refused_at is None


def test_nothing_is_sent_where_the_credentials_were_not_sealed_for(
    staged: ApiKey, by: Actor, answer: Answer
) -> None:
    provider = answer(Verdict.WORKS)
    ApiKey.objects.filter(pk=staged.pk).update(config={"api_base": "https://evil.example/v1"})

    with pytest.raises(ValidationError, match="not encrypted for"):
        services.run_credential_test(staged, by=by, rev=staged.rev)

    assert provider.asked == []


@pytest.fixture
def tested(promoted: ApiKey, by: Actor, answer: Answer) -> ApiKey:
    """A key with all three versions, each of which has passed its test."""
    answer(Verdict.WORKS)
    key = stage(promoted, by, "sk-proj-YetAnother000000000000000000000000000ThRd")
    for slot in ("pending", "current", "previous"):
        services.run_credential_test(key, by=by, rev=key.rev, slot=slot)
    return fresh(key)


def passed(key: ApiKey) -> list[bool]:
    key = fresh(key)
    return [version.has_passed for version in (key.pending, key.current, key.previous)]


def test_no_test_counts_once_the_settings_are_others(tested: ApiKey, by: Actor) -> None:
    tested.config = {**tested.config, "api_base": "https://api.openai.com/another/v1"}

    drafts.save(tested, by=by)

    assert passed(tested) == [False] * 3
    key = fresh(tested)
    assert key.pending.tested_at is None
    with pytest.raises(ValidationError, match="There is no passing test"):
        services.promote_credentials(key, by=by, rev=key.rev)


def test_a_test_counts_whatever_the_key_is_called(tested: ApiKey, by: Actor) -> None:
    tested.name = "another-name"

    drafts.save(tested, by=by)

    assert passed(tested) == [True] * 3


def test_a_test_of_settings_that_change_concurrently_does_not_count(
    staged: ApiKey, by: Actor, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = answer(Verdict.WORKS)

    def test(api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
        key = fresh(api_key)
        key.config = {**key.config, "api_base": "https://api.openai.com/another/v1"}
        drafts.save(key, by=by)
        return credential_tests.ProbeResult(Verdict.WORKS, "In our words.")

    monkeypatch.setattr(provider, "test", test)
    with pytest.raises(Conflict):
        services.run_credential_test(staged, by=by, rev=staged.rev)

    assert not fresh(staged).pending.has_passed


# --- Promote -----------------------------------------------------------------------------------


def test_promoting_makes_pending_current_and_current_previous(
    staged: ApiKey, by: Actor, answer: Answer
) -> None:
    ApiKey.objects.filter(pk=staged.pk).update(refused_at=timezone.now())
    answer(Verdict.WORKS)
    services.run_credential_test(staged, by=by, rev=staged.rev)

    services.promote_credentials(staged, by=by, rev=staged.rev)

    after = fresh(staged)
    assert slots(after) == (None, "NeWx", "wXyZ")
    assert secret_in(after, "current") == NEW_KEY
    assert after.credentials_changed_at > staged.credentials_changed_at
    assert after.refused_at is None
    assert after.previous.replaced_at is not None
    assert last_act(staged) == ("promoted credentials", ["api_key"])


@pytest.mark.parametrize("confirmation", ["", "my-openai", "MY-OPENAI-KEY", "yes"])
@pytest.mark.parametrize(
    "outcome",
    ["", Verdict.REFUSED, Verdict.UNCHECKABLE, Verdict.RATE_LIMITED],
)
def test_without_a_passed_test_promoting_takes_the_name_of_the_key(
    staged: ApiKey, by: Actor, outcome: str, confirmation: str
) -> None:
    CredentialVersion.objects.filter(pk=staged.pending_id).update(test_outcome=outcome)

    with pytest.raises(ValidationError) as refusal:
        services.promote_credentials(staged, by=by, rev=staged.rev, confirmation=confirmation)

    assert set(refusal.value.message_dict) == {"confirmation"}
    assert slots(staged) == ("NeWx", "wXyZ", None)
    services.promote_credentials(staged, by=by, rev=staged.rev, confirmation=" my-openai-key ")
    assert slots(staged) == (None, "NeWx", "wXyZ")


def test_promoting_over_compromised_credentials_destroys_them(staged: ApiKey, by: Actor) -> None:
    services.promote_credentials(
        staged, by=by, rev=staged.rev, confirmation="my-openai-key", compromised=True
    )

    assert slots(staged) == (None, "NeWx", None)
    assert CredentialVersion.objects.get(pk=staged.current_id).sealed is None
    note = "without a passing test; the replaced credentials had leaked and were destroyed"
    assert AuditEvent.objects.about(staged).first().note == note


def test_a_second_rotation_destroys_what_was_previous(promoted: ApiKey, by: Actor) -> None:
    oldest = promoted.previous
    again = stage(promoted, by, "sk-proj-YetAnother000000000000000000000000000ThRd")

    services.promote_credentials(again, by=by, rev=again.rev, confirmation=again.name)

    oldest.refresh_from_db()
    assert oldest.sealed is None
    assert slots(again) == (None, "ThRd", "NeWx")


def test_nothing_is_promoted_where_nothing_is_pending(key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError, match="no pending"):
        services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)


def test_what_was_staged_for_another_place_is_not_promoted(staged: ApiKey, by: Actor) -> None:
    staged.config = {**staged.config, "api_base": "https://proxy.example/v1"}
    drafts.save(staged, Secrets(api_key=OPENAI_KEY), by=by)

    with pytest.raises(ValidationError, match=r"not encrypted for https://proxy\.example"):
        services.promote_credentials(staged, by=by, rev=staged.rev, confirmation=staged.name)


# --- Roll back ---------------------------------------------------------------------------------


def test_rolling_back_swaps_the_two_and_rolling_back_again_goes_forward(
    promoted: ApiKey, by: Actor
) -> None:
    ApiKey.objects.filter(pk=promoted.pk).update(refused_at=timezone.now())

    services.roll_back_credentials(promoted, by=by, rev=promoted.rev)

    back = fresh(promoted)
    assert slots(back) == (None, "wXyZ", "NeWx")
    assert secret_in(back, "current") == OPENAI_KEY
    assert back.credentials_changed_at > promoted.credentials_changed_at
    assert back.refused_at is None
    assert last_act(back) == ("rolled back credentials", ["api_key"])
    services.roll_back_credentials(back, by=by, rev=back.rev)
    assert slots(back) == (None, "NeWx", "wXyZ")


def test_rolling_back_from_compromised_credentials_destroys_them(
    promoted: ApiKey, by: Actor
) -> None:
    services.roll_back_credentials(promoted, by=by, rev=promoted.rev, compromised=True)

    assert slots(promoted) == (None, "wXyZ", None)
    assert CredentialVersion.objects.get(pk=promoted.current_id).sealed is None
    assert "had leaked and were destroyed" in AuditEvent.objects.about(promoted).first().note


def test_an_edit_can_be_rolled_back(key: ApiKey, by: Actor) -> None:
    drafts.save(key, Secrets(api_key=NEW_KEY), by=by)

    services.roll_back_credentials(key, by=by, rev=key.rev)

    assert slots(key) == (None, "wXyZ", "NeWx")


def test_rolling_back_keeps_what_is_pending(promoted: ApiKey, by: Actor) -> None:
    again = stage(promoted, by, "sk-proj-YetAnother000000000000000000000000000ThRd")

    services.roll_back_credentials(again, by=by, rev=again.rev)

    assert slots(again) == ("ThRd", "wXyZ", "NeWx")


def test_old_credentials_never_follow_a_key_to_a_new_place(key: ApiKey, by: Actor) -> None:
    key.config = {**key.config, "api_base": "https://proxy.example/v1"}
    drafts.save(key, Secrets(api_key=NEW_KEY), by=by)
    moved = fresh(key)

    with pytest.raises(ValidationError, match=r"not encrypted for https://proxy\.example"):
        services.roll_back_credentials(moved, by=by, rev=moved.rev)

    assert slots(key) == (None, "NeWx", "wXyZ")
    assert fresh(key).origins() == dict.fromkeys((Role.API, Role.TEST), "https://proxy.example:443")


def test_without_previous_credentials_there_is_no_roll_back(key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError, match="no previous"):
        services.roll_back_credentials(key, by=by, rev=key.rev)


def test_unreadable_previous_credentials_cannot_be_rolled_back_to(
    promoted: ApiKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [keyring.generate_master_key()]

    with pytest.raises(ValidationError, match="No configured master key decrypts"):
        services.roll_back_credentials(promoted, by=by, rev=promoted.rev)


# --- Discard and destroy -----------------------------------------------------------------------


def test_pending_credentials_are_discarded(staged: ApiKey, by: Actor) -> None:
    services.discard_pending(staged, by=by, rev=staged.rev)

    assert slots(staged) == (None, "wXyZ", None)
    assert CredentialVersion.objects.get(pk=staged.pending_id).sealed is None
    assert last_act(staged) == ("discarded pending credentials", ["api_key"])


def test_previous_credentials_are_destroyed(promoted: ApiKey, by: Actor) -> None:
    services.destroy_previous(promoted, by=by, rev=promoted.rev)

    gone = CredentialVersion.objects.get(pk=promoted.previous_id)
    assert (gone.sealed, gone.hint, gone.fingerprint) == (None, "", "")
    assert slots(promoted) == (None, "NeWx", None)
    assert last_act(promoted) == ("destroyed previous credentials", ["api_key"])


def test_there_is_nothing_to_drop_twice(key: ApiKey, by: Actor) -> None:
    for drop in (services.discard_pending, services.destroy_previous):
        with pytest.raises(ValidationError):
            drop(key, by=by, rev=key.rev)


# --- Disable and enable ------------------------------------------------------------------------


def test_a_key_is_disabled_and_enabled(key: ApiKey, by: Actor) -> None:
    services.disable_api_key(key, by=by, rev=key.rev)
    assert not fresh(key).enabled
    assert last_act(key) == ("disabled", [])

    services.enable_api_key(key, by=by, rev=key.rev + 1)
    assert fresh(key).enabled
    assert last_act(key) == ("enabled", [])


def test_a_key_in_use_is_disabled_only_with_the_digest_of_its_endpoints(
    key: ApiKey, by: Actor, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)

    with pytest.raises(Conflict):
        services.disable_api_key(key, by=by, rev=key.rev)
    services.disable_api_key(key, by=by, rev=key.rev, seen=blast_radius_of(key).digest())

    assert not fresh(key).enabled


def test_a_switch_is_not_turned_twice(key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError, match="already enabled"):
        services.enable_api_key(key, by=by, rev=key.rev)


# --- What every act promises -------------------------------------------------------------------

ACTS: dict[str, Callable[..., Any]] = {
    "stage": lambda key, **how: drafts.stage(key, Secrets(api_key=OPENAI_KEY), **how),
    "test": services.run_credential_test,
    "promote": services.promote_credentials,
    "roll back": services.roll_back_credentials,
    "discard": services.discard_pending,
    "destroy": services.destroy_previous,
    "disable": services.disable_api_key,
    "enable": services.enable_api_key,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_act_on_a_stale_revision_is_a_conflict(
    promoted: ApiKey, by: Actor, answer: Answer, act: Callable[..., Any]
) -> None:
    answer(Verdict.WORKS)
    key = stage(promoted, by, "sk-proj-YetAnother000000000000000000000000000ThRd")
    before, events = slots(key), AuditEvent.objects.count()

    with pytest.raises(Conflict):
        act(key, by=by, rev=key.rev - 1)

    assert slots(key) == before
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_act_that_cannot_be_written_down_does_not_happen(
    promoted: ApiKey,
    by: Actor,
    answer: Answer,
    act: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(Verdict.WORKS)
    key = stage(promoted, by, "sk-proj-YetAnother000000000000000000000000000ThRd")
    services.run_credential_test(key, by=by, rev=key.rev)
    if act is services.enable_api_key:
        services.disable_api_key(key, by=by, rev=key.rev)
    key = fresh(key)
    tested_at = key.pending.tested_at
    before = slots(key)

    def lost(*args: object, **kwargs: object) -> None:
        raise RuntimeError("The trail is full.")

    monkeypatch.setattr(AuditEvent, "record", lost)
    with pytest.raises(RuntimeError):
        act(key, by=by, rev=key.rev)

    after = fresh(key)
    assert (slots(key), after.rev, after.enabled) == (before, key.rev, key.enabled)
    assert after.pending.tested_at == tested_at


def test_the_audit_events_of_a_rotation_contain_no_value(promoted: ApiKey, by: Actor) -> None:
    services.roll_back_credentials(promoted, by=by, rev=promoted.rev)

    for event in AuditEvent.objects.about(promoted):
        shown = f"{event.fields} {event.note}"
        assert NEW_KEY[-4:] not in shown
        assert OPENAI_KEY[-4:] not in shown
