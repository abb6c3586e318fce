"""Several people at the same moment: one wins, the others get a conflict, nothing is lost."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from threading import Event as Signal
from time import sleep
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections

from apikeys import credential_tests, services
from apikeys.blast_radius import blast_radius_of, registry
from apikeys.models import ApiKey, AuthScheme, CredentialVersion, Provider, Verdict
from apikeys.sealing import Secrets
from apikeys.services import (
    create_api_key,
    delete_api_key,
    delete_api_keys,
    destroy_previous,
    disable_api_key,
    disable_api_keys,
    discard_pending,
    move_endpoints,
    promote_credentials,
    roll_back_credentials,
    stage_credentials,
    update_api_key,
    update_api_keys,
)
from endpoints.models import Endpoint, Route
from endpoints.services import create_endpoint, update_endpoint
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from tests import drafts
from tests.conftest import DraftKey

MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]
REFUSALS = (Conflict, ValidationError)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all ``acts`` at the same moment; return what each returned, or how it was refused."""
    ready = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        ready.wait()
        try:
            return act()
        except REFUSALS as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def refusals(outcomes: Sequence[Any]) -> list[Any]:
    return [outcome for outcome in outcomes if isinstance(outcome, REFUSALS)]


def test_of_eight_renames_of_one_revision_one_wins(make_key: MakeKey, by: Actor) -> None:
    made = make_key()

    def rename(name: str) -> Callable[[], Any]:
        api_key = ApiKey.objects.get(pk=made.pk)
        api_key.name = name
        draft = drafts.draft_of(api_key)
        return lambda: update_api_key(draft, by=by, rev=1).changed

    outcomes = at_once(*(rename(f"name-{number}") for number in range(8)))

    assert outcomes.count(["name"]) == 1
    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict] * 7
    api_key = ApiKey.objects.get()
    assert api_key.name == f"name-{outcomes.index(['name'])}"
    assert api_key.rev == 2
    assert AuditEvent.objects.filter(act="edited").count() == 1


def test_of_eight_new_credentials_one_wins_and_opens(make_key: MakeKey, by: Actor) -> None:
    made = make_key()

    def replace(secret: str) -> Callable[[], Any]:
        api_key = ApiKey.objects.get(pk=made.pk)
        draft = drafts.draft_of(api_key, Secrets(api_key=secret))
        return lambda: update_api_key(draft, by=by, rev=1).changed

    outcomes = at_once(*(replace(f"sk-made-up-{number}") for number in range(8)))

    api_key = ApiKey.objects.get()
    winner = outcomes.index(["api_key"])
    assert len(refusals(outcomes)) == 7
    assert api_key.current.open_for(api_key, towards=api_key.origins()) == {
        "api_key": f"sk-made-up-{winner}"
    }
    assert CredentialVersion.objects.filter(destroyed_at=None).count() == 2
    assert api_key.previous_id == made.current_id


@pytest.fixture
def staged(make_key: MakeKey, by: Actor) -> ApiKey:
    """A key with all three versions: first → previous, second → current, third → pending."""
    key = make_key(secrets={"api_key": "sk-made-up-first"})
    for secret in ("second", "third"):
        key = ApiKey.objects.get(pk=key.pk)
        write = drafts.save if secret == "second" else drafts.stage
        write(key, Secrets(api_key=f"sk-made-up-{secret}"), by=by)
    return ApiKey.objects.get(pk=key.pk)


def promote(key: ApiKey, by: Actor) -> Callable[[], Any]:
    return lambda: promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)


def opened(key: ApiKey) -> list[str]:
    """Return the secret of each version that the key points at."""
    key = ApiKey.objects.with_versions().get(pk=key.pk)
    versions = [key.pending, key.current, key.previous]
    return [
        version.open_for(key, towards=key.origins())["api_key"].removeprefix("sk-made-up-")
        for version in versions
        if version
    ]


@pytest.mark.parametrize("attempt", range(3))
def test_of_eight_promotes_one_wins(staged: ApiKey, by: Actor, attempt: int) -> None:
    outcomes = at_once(*[promote(staged, by)] * 8)

    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict] * 7
    assert opened(staged) == ["third", "second"]
    assert ApiKey.objects.get().rev == staged.rev + 1
    assert AuditEvent.objects.filter(act="promoted credentials").count() == 1
    assert CredentialVersion.objects.filter(destroyed_at=None).count() == 2


@pytest.mark.parametrize("attempt", range(3))
def test_of_eight_different_moves_one_wins_and_what_is_left_opens(
    staged: ApiKey, by: Actor, attempt: int
) -> None:
    def move(service: Callable[..., Any], secret: str = "", **how: Any) -> Callable[[], Any]:
        key = ApiKey.objects.get(pk=staged.pk)
        what = drafts.draft_of(key, Secrets(api_key=f"sk-made-up-{secret}")) if secret else key
        return lambda: service(what, by=by, rev=staged.rev, **how)

    before = AuditEvent.objects.count()
    outcomes = at_once(
        promote(staged, by),
        promote(staged, by),
        move(roll_back_credentials),
        move(discard_pending),
        move(destroy_previous),
        move(stage_credentials, "fourth"),
        move(update_api_key, "fifth"),
        move(disable_api_key),
    )

    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict] * 7
    assert AuditEvent.objects.count() == before + 1
    after = ApiKey.objects.get()
    pointed_at = {after.pending_id, after.current_id, after.previous_id} - {None}
    kept = CredentialVersion.objects.filter(destroyed_at=None).values_list("pk", flat=True)
    assert set(kept) == pointed_at
    assert len(opened(staged)) == len(pointed_at)


def test_a_test_that_ends_while_others_are_promoted_waits_its_turn(
    staged: ApiKey, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, step_back = Signal(), CredentialVersion.step_back

    class Provider:
        def test(self, api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
            has_begun.wait(5)
            return credential_tests.ProbeResult(Verdict.REFUSED, "In our words.")

    def step_back_slowly(version: CredentialVersion) -> None:
        has_begun.set()
        sleep(0.5)  # the key's row is locked by now, and this version's is not
        step_back(version)

    monkeypatch.setattr(credential_tests, "_registered", Provider())
    monkeypatch.setattr(CredentialVersion, "step_back", step_back_slowly)
    key = ApiKey.objects.get(pk=staged.pk)

    promoted, result = at_once(
        promote(staged, by),
        lambda: services.run_credential_test(key, by=by, rev=key.rev, slot="current"),
    )

    assert (promoted, result.outcome) == (None, Verdict.REFUSED)
    after = ApiKey.objects.with_versions().get()
    assert (after.previous.test_outcome, after.refused_at) == (Verdict.REFUSED, None)


@pytest.mark.parametrize("attempt", range(2))
def test_a_key_that_is_deleted_while_it_is_promoted_is_gone_with_all_its_versions(
    staged: ApiKey, by: Actor, attempt: int
) -> None:
    seen = blast_radius_of(staged).digest()

    outcomes = at_once(
        lambda: delete_api_key(ApiKey.objects.get(pk=staged.pk), by=by, seen=seen),
        *[promote(staged, by)] * 3,
    )

    assert outcomes[0] is None
    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()
    connection.check_constraints()


def test_of_eight_keys_of_one_name_one_is_made(draft_key: DraftKey, by: Actor) -> None:
    names = ["same", "SAME", " same", "Same ", "ｓａｍｅ", "same", "sAme", "samE"]
    keys = [draft_key(name) for name in names]

    outcomes = at_once(*(lambda key=key: create_api_key(key, by=by) for key in keys))

    losers = refusals(outcomes)
    assert len(losers) == 7
    assert {tuple(refusal.message_dict) for refusal in losers} == {("name",)}
    assert ApiKey.objects.count() == CredentialVersion.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_eight_first_keys_agree_on_the_key_of_the_fingerprints(
    draft_key: DraftKey, by: Actor
) -> None:
    keys = [draft_key(f"key-{number}") for number in range(8)]

    outcomes = at_once(*(lambda key=key: create_api_key(key, by=by) for key in keys))

    assert refusals(outcomes) == []
    assert CredentialVersion.objects.values("fingerprint").distinct().count() == 1


@pytest.mark.parametrize("attempt", range(2))
def test_no_endpoint_is_made_for_a_key_that_is_being_deleted(
    make_key: MakeKey, by: Actor, attempt: int
) -> None:
    api_key = make_key()
    seen = blast_radius_of(api_key).digest()

    def delete() -> str:
        delete_api_key(ApiKey.objects.get(pk=api_key.pk), by=by, seen=seen)
        return "deleted"

    def add(name: str) -> Callable[[], Any]:
        route = Route(api_key=api_key, model="gpt-5-mini")
        return lambda: create_endpoint(Endpoint(name=name), [route], by=by)

    outcomes = at_once(delete, *(add(f"endpoint-{number}") for number in range(7)))

    made = {outcome.name for outcome in outcomes if isinstance(outcome, Endpoint)}
    assert set(Endpoint.objects.values_list("name", flat=True)) == made
    assert set(Route.objects.values_list("endpoint__name", flat=True)) == made
    assert bool(made) != (outcomes[0] == "deleted")
    assert ApiKey.objects.exists() == bool(made)
    connection.check_constraints()


@pytest.mark.parametrize("attempt", range(3))
def test_a_key_is_deleted_while_its_endpoints_are_edited(
    make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor, attempt: int
) -> None:
    api_key = make_key()
    endpoints = [make_endpoint(f"endpoint-{number}", api_key) for number in range(5)]
    seen = blast_radius_of(api_key).digest()

    def change_model(endpoint: Endpoint) -> Callable[[], Any]:
        route = Route.objects.get(endpoint=endpoint)
        route.model = "gpt-5"
        return lambda: update_endpoint(endpoint, [route], by=by, rev=1)

    outcomes = at_once(
        lambda: delete_api_key(api_key, by=by, seen=seen, confirmation=api_key.name),
        *map(change_model, endpoints),
    )

    assert outcomes[0] is None
    assert not ApiKey.objects.exists()
    assert {route.api_key_id for route in Route.objects.all()} == {None}
    for endpoint, outcome in zip(endpoints, outcomes[1:], strict=True):
        model = Route.objects.get(endpoint=endpoint).model
        assert model == ("gpt-5" if outcome == ["model"] else "gpt-5-mini")


@pytest.mark.parametrize("attempt", range(3))
def test_a_key_is_deleted_while_its_endpoints_move_to_another(
    make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor, attempt: int
) -> None:
    old, new = make_key("old"), make_key("new")
    endpoints = [make_endpoint(f"endpoint-{number}", old) for number in range(5)]
    seen = blast_radius_of(old).digest()

    def move(endpoint: Endpoint) -> Callable[[], Any]:
        route = Route.objects.get(endpoint=endpoint)
        route.api_key = new
        return lambda: update_endpoint(endpoint, [route], by=by, rev=1)

    outcomes = at_once(
        lambda: delete_api_key(old, by=by, seen=seen, confirmation=old.name), *map(move, endpoints)
    )

    left = None if outcomes[0] is None else old.pk
    assert ApiKey.objects.filter(pk=old.pk).exists() == (left is not None)
    for endpoint, outcome in zip(endpoints, outcomes[1:], strict=True):
        key = Route.objects.get(endpoint=endpoint).api_key_id
        assert key == (new.pk if outcome == ["api_key"] else left)


@pytest.mark.parametrize("attempt", range(2))
def test_two_keys_that_are_to_take_over_from_each_other_do_not_both_go(
    make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor, attempt: int
) -> None:
    one, two = make_key("one"), make_key("two")
    make_endpoint("first", one)
    make_endpoint("second", two)

    def replace(old: ApiKey, new: ApiKey) -> Callable[[], Any]:
        seen = blast_radius_of(old).digest()
        return lambda: delete_api_key(old, by=by, seen=seen, replacement=new)

    outcomes = at_once(replace(one, two), replace(two, one))

    assert len(refusals(outcomes)) == 1
    survivor = ApiKey.objects.get()
    assert {route.api_key_id for route in Route.objects.all()} == {survivor.pk}


def test_providers_are_there_after_a_test_that_commits() -> None:
    """Such a test empties the tables at its end; the next one finds the catalogue again."""
    assert (Provider.objects.count(), AuthScheme.objects.count()) == (77, 93)


def test_of_eight_bulk_edits_of_overlapping_keys_each_is_whole_or_refused(
    make_key: MakeKey, by: Actor
) -> None:
    keys = [make_key(f"key-{number}") for number in range(9)]

    def edit(first: int) -> Callable[[], Any]:
        revs = {key.pk: 1 for key in (keys[first + 1], keys[first])}
        return lambda: update_api_keys(revs, by=by, values={"team": f"team-{first}"})

    outcomes = at_once(*(edit(first) for first in range(8)))

    won = [first for first, outcome in enumerate(outcomes) if isinstance(outcome, list)]
    assert won
    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict] * (8 - len(won))
    teams = dict(ApiKey.objects.exclude(team="").values_list("name", "team"))
    assert teams == {
        f"key-{number}": f"team-{first}" for first in won for number in (first, first + 1)
    }
    assert AuditEvent.objects.filter(act="edited").count() == 2 * len(won)


def test_a_bulk_edit_and_an_edit_of_one_of_the_keys_do_not_overwrite_each_other(
    make_key: MakeKey, by: Actor
) -> None:
    keys = [make_key(f"key-{number}") for number in range(4)]
    revs = {key.pk: 1 for key in keys}
    single = ApiKey.objects.get(pk=keys[2].pk)
    single.description = "mine"
    draft = drafts.draft_of(single)

    outcomes = at_once(
        lambda: update_api_keys(revs, by=by, values={"team": "Search"}),
        lambda: update_api_key(draft, by=by, rev=1),
    )

    assert [type(refusal) for refusal in refusals(outcomes)] == [Conflict]
    stored = ApiKey.objects.get(pk=single.pk)
    assert (stored.team, stored.description) in {("Search", ""), ("", "mine")}
    assert ApiKey.objects.filter(team="Search").count() in (0, 4)


def test_moving_from_a_to_b_and_deleting_both_end_in_one_order(
    make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    old, new = make_key("old"), make_key("new")
    for name in ("search", "summaries"):
        make_endpoint(name, old)
    names, seen = ["search", "summaries"], blast_radius_of(old).digest()
    both = registry().of(old, new).digest()
    revs = {old.pk: 1, new.pk: 1}

    outcomes = at_once(
        lambda: move_endpoints(old, new, names=names, by=by, seen=seen),
        lambda: disable_api_keys(revs, by=by, seen=both),
        lambda: delete_api_keys(revs, by=by, seen=both, confirmation="delete 2 keys"),
    )

    assert len(refusals(outcomes)) < 3
    keys = set(Route.objects.values_list("api_key__name", flat=True))
    assert keys in ({None}, {"old"}, {"new"})
    assert ApiKey.objects.count() == (0 if keys == {None} else 2)
