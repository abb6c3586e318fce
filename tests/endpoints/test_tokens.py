"""What can be done with a gateway token, and the trail that it leaves."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.utils import timezone

from endpoints.models import Endpoint, GatewayToken
from endpoints.models.gateway_token import digest_of
from endpoints.services import (
    create_token,
    delete_token,
    digest_of_details,
    facts_about,
    issue_trial_token,
    revoke_token,
    update_token,
)
from endpoints.usage.models import ALL_TIME, UsageBucket
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from tests.apikeys.test_concurrency import at_once, refusals
from tests.conftest import MakeEndpoint, MakeToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def search(make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("search", None)


@pytest.fixture
def translate(make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("translate", None)


@pytest.fixture
def token(make_token: MakeToken, search: Endpoint) -> GatewayToken:
    """One that reaches the endpoint ``search``."""
    return make_token("search-service", search)


def stored(token: GatewayToken) -> GatewayToken:
    return GatewayToken.objects.get(pk=token.pk)


def expire(token: GatewayToken, *, ago: timedelta = timedelta(seconds=1)) -> None:
    GatewayToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - ago)


def edit(token: GatewayToken, by: Actor, *endpoints: Endpoint, **changes: Any) -> list[str]:
    """Edit as a form does: on the row as it was loaded."""
    seen = stored(token)
    digest = digest_of_details(seen)
    for name, value in changes.items():
        setattr(seen, name, value)
    return update_token(seen, endpoints, by=by, seen=digest)


def acts_on(token: GatewayToken) -> list[tuple[str, list[str]]]:
    return list(AuditEvent.objects.about(token).order_by("id").values_list("act", "fields"))


def everything_stored() -> str:
    """Return every value of every table."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += cursor.fetchall()
    return str(rows)


@pytest.mark.parametrize("name", ["ﷺ" * 80, "㍿" * 61])
def test_a_name_that_is_long_once_it_is_folded_is_found_and_stays_unique(
    name: str, make_token: MakeToken
) -> None:
    token = make_token(name)

    assert list(GatewayToken.objects.named(name)) == [token]
    assert list(GatewayToken.objects.search(name)) == [token]
    with pytest.raises(ValidationError, match="already has this name"):
        make_token(name)


# --- Creating ------------------------------------------------------------------------------------


def test_a_token_is_returned_once_and_only_its_digest_is_stored(
    search: Endpoint, by: Actor
) -> None:
    token = GatewayToken(name="search-service")

    plaintext = create_token(token, [search], by=by)

    assert re.fullmatch(r"gh_[\w-]{43}", plaintext)
    row = stored(token)
    assert row.digest == digest_of(plaintext)
    assert row.prefix == plaintext[:9]
    assert (row.purpose, row.created_by, row.state()) == ("application", "kim", "active")
    assert list(row.endpoints.all()) == [search]
    assert acts_on(token) == [("created", ["endpoints", "expires_at", "name"])]
    assert row.digest in everything_stored()
    assert plaintext[9:] not in everything_stored()


def test_no_two_tokens_are_the_same(make_token: MakeToken) -> None:
    digests = {make_token(f"token {number}").digest for number in range(20)}

    assert len(digests) == 20


def test_a_token_for_every_endpoint_names_none(search: Endpoint, by: Actor) -> None:
    token = GatewayToken(name="ops", all_endpoints=True)

    create_token(token, [search], by=by)

    assert not stored(token).endpoints.exists()
    assert acts_on(token) == [("created", ["all_endpoints", "expires_at", "name"])]


def test_a_token_that_reaches_nothing_is_refused(by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        create_token(GatewayToken(name="idle"), [], by=by)

    assert set(refusal.value.message_dict) == {"endpoints"}
    assert not GatewayToken.objects.exists()


def test_everything_that_is_wrong_is_reported_at_once(by: Actor) -> None:
    past = timezone.now() - timedelta(days=1)

    with pytest.raises(ValidationError) as refusal:
        create_token(GatewayToken(name="", expires_at=past), [], by=by)

    assert set(refusal.value.message_dict) == {"name", "expires_at", "endpoints"}


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\0b", "a\u202eb", "\udcff", "\u200b", "x" * 81]
)
def test_a_name_is_one_line_that_can_be_seen(name: str, by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        create_token(GatewayToken(name=name, all_endpoints=True), [], by=by)

    assert set(refusal.value.message_dict) == {"name"}


def test_a_name_is_taken_once_in_any_spelling(make_token: MakeToken, by: Actor) -> None:
    make_token("Search service")

    with pytest.raises(ValidationError, match="already has this name"):
        create_token(GatewayToken(name=" search  SERVICE", all_endpoints=True), [], by=by)


def test_an_endpoint_that_is_gone_is_refused(search: Endpoint, by: Actor) -> None:
    Endpoint.objects.all().delete()

    with pytest.raises(ValidationError, match="Already deleted: search"):
        create_token(GatewayToken(name="late"), [search], by=by)

    assert not GatewayToken.objects.exists()


def test_a_token_that_outlives_its_endpoints_reaches_nothing(
    token: GatewayToken, search: Endpoint
) -> None:
    search.delete()

    row = stored(token)
    assert row.all_endpoints is False
    assert not row.endpoints.exists()


# --- Editing -------------------------------------------------------------------------------------


def test_what_differs_is_saved_and_named(
    token: GatewayToken, translate: Endpoint, by: Actor
) -> None:
    later = timezone.now() + timedelta(days=30)

    changed = edit(token, by, translate, name="Translator", expires_at=later)

    assert changed == ["name", "expires_at", "endpoints"]
    row = stored(token)
    assert (row.name, row.name_key, row.expires_at) == ("Translator", "translator", later)
    assert list(row.endpoints.all()) == [translate]
    assert row.digest == token.digest
    assert acts_on(token)[1:] == [("edited", ["endpoints", "expires_at", "name"])]


def test_saving_what_is_stored_writes_no_event(
    token: GatewayToken, search: Endpoint, by: Actor
) -> None:
    assert edit(token, by, search) == []
    assert len(acts_on(token)) == 1


def test_every_endpoint_replaces_the_named_ones(
    token: GatewayToken, search: Endpoint, by: Actor
) -> None:
    assert edit(token, by, search, all_endpoints=True) == ["all_endpoints", "endpoints"]
    assert not stored(token).endpoints.exists()


def test_no_edit_leaves_a_token_without_an_endpoint(token: GatewayToken, by: Actor) -> None:
    with pytest.raises(ValidationError, match="at least one endpoint"):
        edit(token, by)

    assert stored(token).endpoints.count() == 1


def test_an_expired_token_may_be_renewed_but_not_ended_in_the_past(
    token: GatewayToken, search: Endpoint, by: Actor
) -> None:
    expire(token)

    assert edit(token, by, search, name="renamed") == ["name"]
    with pytest.raises(ValidationError, match="time in the future"):
        edit(token, by, search, expires_at=timezone.now() - timedelta(days=2))
    edit(token, by, search, expires_at=None)

    assert stored(token).state() == "active"


def test_a_revoked_token_is_not_edited(token: GatewayToken, search: Endpoint, by: Actor) -> None:
    revoke_token(token, by=by)

    with pytest.raises(ValidationError, match="cannot be undone"):
        edit(token, by, search, expires_at=None, name="again")

    assert stored(token).state() == "revoked"


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda token: GatewayToken.objects.update(name="other", name_key="other"),
        lambda token: GatewayToken.objects.update(all_endpoints=True),
        lambda token: GatewayToken.objects.update(expires_at=timezone.now()),
        lambda token: GatewayToken.objects.update(revoked_at=timezone.now()),
        lambda token: token.endpoints.clear(),
        lambda token: token.delete(),
    ],
    ids=["name", "all endpoints", "expiry", "revoked", "endpoints", "deleted"],
)
def test_an_edit_of_a_row_that_another_user_changed_is_a_conflict(
    token: GatewayToken, search: Endpoint, by: Actor, meanwhile: Callable[[GatewayToken], Any]
) -> None:
    seen, mine = digest_of_details(stored(token)), stored(token)
    meanwhile(stored(token))

    with pytest.raises(Conflict):
        update_token(mine, [search], by=by, seen=seen)


def test_use_is_no_change(token: GatewayToken, make_usage: Callable[..., None]) -> None:
    seen = digest_of_details(stored(token))

    make_usage(token)

    assert digest_of_details(stored(token)) == seen


# --- Revoking and deleting -----------------------------------------------------------------------


def test_a_token_is_revoked_once(token: GatewayToken, by: Actor) -> None:
    assert revoke_token(token, by=by) is True
    assert revoke_token(token, by=by) is False

    assert stored(token).state() == "revoked"
    assert acts_on(token)[1:] == [("revoked", ["revoked_at"])]


def test_an_active_token_is_not_deleted(token: GatewayToken, by: Actor) -> None:
    with pytest.raises(ValidationError, match="Revoke it before"):
        delete_token(token, by=by)

    assert stored(token)


def test_an_unusable_token_is_deleted_and_its_history_stays(
    make_token: MakeToken, search: Endpoint, by: Actor
) -> None:
    revoked, expired = make_token("revoked", search), make_token("expired", search)
    revoke_token(revoked, by=by)
    expire(expired)

    for token in (revoked, expired):
        pk = token.pk
        delete_token(token, by=by)
        assert AuditEvent.objects.filter(subject_id=pk, act="deleted").exists()

    assert not GatewayToken.objects.exists()
    assert Endpoint.objects.exists()


@pytest.mark.parametrize("act", [revoke_token, delete_token])
def test_what_is_gone_is_a_conflict(
    token: GatewayToken, by: Actor, act: Callable[..., Any]
) -> None:
    GatewayToken.objects.all().delete()

    with pytest.raises(Conflict):
        act(token, by=by)


@pytest.mark.parametrize("act", ["create", "edit", "revoke", "delete", "trial"])
def test_what_cannot_be_written_down_does_not_happen(
    token: GatewayToken,
    search: Endpoint,
    by: Actor,
    lose_events_table: Callable[[], None],
    act: str,
) -> None:
    if act == "delete":
        expire(token)
    before = list(GatewayToken.objects.values())
    lose_events_table()

    with pytest.raises(DatabaseError):
        {
            "create": lambda: create_token(GatewayToken(name="b"), [search], by=by),
            "edit": lambda: edit(token, by, search, name="b"),
            "revoke": lambda: revoke_token(token, by=by),
            "delete": lambda: delete_token(token, by=by),
            "trial": lambda: issue_trial_token(search, by=by),
        }[act]()

    assert list(GatewayToken.objects.values()) == before


# --- Trying an endpoint --------------------------------------------------------------------------


def test_a_trial_token_reaches_one_endpoint_for_ten_minutes(search: Endpoint, by: Actor) -> None:
    plaintext = issue_trial_token(search, by=by)

    token = GatewayToken.objects.get(digest=digest_of(plaintext))
    assert (token.purpose, token.all_endpoints) == ("trial", False)
    assert list(token.endpoints.all()) == [search]
    assert timedelta(minutes=9) < token.expires_at - timezone.now() <= timedelta(minutes=10)
    assert token.name.startswith("Try it: search by kim ")
    assert acts_on(search)[-1] == ("tried", [])
    assert not GatewayToken.objects.of_applications().exists()
    assert plaintext[9:] not in everything_stored()


def test_long_names_make_no_difference_to_a_trial(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint("x" * 63, None)

    tokens = {issue_trial_token(endpoint, by=Actor("k" * 150, "page")) for _ in range(3)}

    assert len(tokens) == 3
    assert all(len(token.name) <= 80 for token in GatewayToken.objects.all())


def test_trials_of_the_days_before_are_cleared_away(
    token: GatewayToken, search: Endpoint, by: Actor
) -> None:
    old, recent = (
        GatewayToken.objects.get(digest=digest_of(issue_trial_token(search, by=by)))
        for _ in range(2)
    )
    expire(old, ago=timedelta(days=1, minutes=1))
    expire(recent, ago=timedelta(hours=23))
    expire(token, ago=timedelta(days=9))

    issue_trial_token(search, by=by)

    left = GatewayToken.objects.all()
    assert old not in left
    assert {token, recent} <= set(left)


# --- What lists tell -----------------------------------------------------------------------------


@pytest.fixture
def make_usage(search: Endpoint) -> Callable[..., None]:
    """Note that a token was used, as the gateway does."""

    def make(token: GatewayToken, **facts: Any) -> None:
        UsageBucket.objects.create(
            **{
                "hour": ALL_TIME,
                "endpoint_id": search.pk,
                "route_id": 1,
                "api_key_id": uuid4(),
                "token_id": token.pk,
                "model": "gpt-5",
                "last_at": timezone.now(),
                **facts,
            }
        )

    return make


def test_last_used_is_the_latest_through_any_route(
    token: GatewayToken, make_token: MakeToken, make_usage: Callable[..., None]
) -> None:
    idle, latest = make_token("idle"), timezone.now()
    make_usage(token, last_at=latest - timedelta(days=2))
    make_usage(token, last_at=latest)
    make_usage(token, hour=latest, last_at=latest + timedelta(days=1))  # not what is read

    assert [facts.last_used for facts in facts_about([token, idle])] == [latest, None]


def test_a_few_endpoints_are_named_and_many_counted(
    make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    endpoints = [make_endpoint(name, None) for name in ("d", "c", "b", "a")]
    few, many, every = (
        make_token("few", *endpoints[:3]),
        make_token("many", *endpoints),
        make_token("every"),
    )

    found = facts_about([few, many, every])

    names = [[endpoint.name for endpoint in facts.endpoints] for facts in found]
    assert names == [["b", "c", "d"], [], []]
    assert [facts.endpoint_count for facts in found] == [3, 4, 0]


@pytest.mark.parametrize(
    ("days", "revoked", "soon"),
    [(6, False, True), (8, False, False), (None, False, False), (6, True, False)],
)
def test_a_token_that_expires_within_a_week_is_marked(
    make_token: MakeToken, by: Actor, days: int | None, revoked: bool, soon: bool
) -> None:
    expiry = days and timezone.now() + timedelta(days=days)
    token = make_token("a", expires_at=expiry)
    if revoked:
        revoke_token(token, by=by)

    assert facts_about([stored(token)])[0].expires_soon is soon


# --- Several people at the same moment -----------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_eight_tokens_of_one_name_one_is_created(search: Endpoint, by: Actor) -> None:
    def create() -> str:
        return create_token(GatewayToken(name="same"), [search], by=by)

    outcomes = at_once(*[create] * 8)

    assert len(refusals(outcomes)) == 7
    assert GatewayToken.objects.get().digest in {
        digest_of(outcome) for outcome in outcomes if isinstance(outcome, str)
    }
    assert AuditEvent.objects.filter(subject_type="gatewaytoken").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_edits_of_one_revision_one_wins(token: GatewayToken, by: Actor) -> None:
    seen = digest_of_details(token)

    def rename(name: str) -> Callable[[], Any]:
        mine = stored(token)
        mine.name, endpoints = name, list(mine.endpoints.all())
        return lambda: update_token(mine, endpoints, by=by, seen=seen)

    outcomes = at_once(*(rename(f"name-{number}") for number in range(8)))

    assert outcomes.count(["name"]) == 1
    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict] * 7
    assert stored(token).name == f"name-{outcomes.index(['name'])}"


@pytest.mark.django_db(transaction=True)
def test_revoked_by_eight_people_it_is_revoked_once(token: GatewayToken, by: Actor) -> None:
    outcomes = at_once(*[lambda: revoke_token(stored(token), by=by)] * 8)

    assert sorted(outcomes) == [False] * 7 + [True]
    assert acts_on(token)[1:] == [("revoked", ["revoked_at"])]
