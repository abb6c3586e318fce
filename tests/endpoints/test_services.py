"""What can be done with an endpoint, and the trail that it leaves."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from apikeys.blast_radius import blast_radius_of, registry
from apikeys.models import ApiKey
from apikeys.services import delete_api_key
from endpoints.models import Endpoint, Route
from endpoints.services import create_endpoint, delete_endpoint, update_endpoint
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from tests.usage import state_of

MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]

pytestmark = pytest.mark.django_db


@pytest.fixture
def api_key(make_key: MakeKey) -> ApiKey:
    return make_key()


@pytest.fixture
def search(make_endpoint: MakeEndpoint, api_key: ApiKey) -> Endpoint:
    return make_endpoint("search", api_key)


def stored(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.get(pk=endpoint.pk)


def edit(
    endpoint: Endpoint, by: Actor, *, route: dict[str, Any] | None = None, **changes: Any
) -> list[str]:
    """Edit as a form does: on the rows as they were loaded."""
    routes = list(endpoint.routes.all())
    for row, values in ((endpoint, changes), (routes[0], route or {})):
        for name, value in values.items():
            setattr(row, name, value)
    return update_endpoint(endpoint, routes, by=by, rev=endpoint.rev)


def acts_on(endpoint: Endpoint) -> list[tuple[str, list[str]]]:
    return list(AuditEvent.objects.about(endpoint).order_by("id").values_list("act", "fields"))


def test_an_endpoint_is_created_with_its_first_route(
    search: Endpoint, api_key: ApiKey, by: Actor
) -> None:
    endpoint = stored(search)

    route = endpoint.routes.first()
    assert (endpoint.name, endpoint.enabled, endpoint.created_by, endpoint.rev) == (
        "search",
        True,
        by.name,
        1,
    )
    assert (route.api_key, route.model, route.kind) == (api_key, "gpt-5-mini", "primary")
    assert state_of(endpoint) == "active"
    assert acts_on(search) == [
        ("created", ["api_key", "description", "enabled", "model", "name", "sticky"])
    ]


def test_every_error_of_an_endpoint_and_its_route_is_reported_at_once(
    api_key: ApiKey, by: Actor
) -> None:
    with pytest.raises(ValidationError) as refusal:
        create_endpoint(Endpoint(name="No Url"), [Route(api_key=api_key, model=" ")], by=by)

    assert set(refusal.value.message_dict) == {"name", "routes-0-model"}
    assert not Endpoint.objects.exists()


def test_a_taken_name_is_refused_and_no_route_is_left_over(
    search: Endpoint, make_endpoint: MakeEndpoint, api_key: ApiKey
) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_endpoint("search", api_key)

    assert set(refusal.value.message_dict) == {"name"}
    assert (Endpoint.objects.count(), Route.objects.count()) == (1, 1)


def test_an_endpoint_is_not_made_for_a_key_that_is_gone(
    api_key: ApiKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    route = Route(api_key=api_key, model="gpt-5-mini")
    delete_api_key(ApiKey.objects.get(), by=by, seen=blast_radius_of(api_key).digest())

    with pytest.raises(ValidationError) as refusal:
        create_endpoint(Endpoint(name="search"), [route], by=by)

    assert set(refusal.value.message_dict) == {"routes-0-api_key"}
    assert not Endpoint.objects.exists()


def test_everything_about_an_endpoint_can_be_edited(
    search: Endpoint, make_key: MakeKey, by: Actor
) -> None:
    other = make_key("other", "anthropic")

    changed = edit(
        search,
        by,
        name="find",
        enabled=False,
        description="Finds.",
        route={"api_key": other, "model": "claude-sonnet-4-5"},
    )

    endpoint = stored(search)
    route = endpoint.routes.first()
    assert set(changed) == {"name", "enabled", "description", "model", "api_key"}
    assert (endpoint.name, endpoint.enabled, endpoint.description) == ("find", False, "Finds.")
    assert (route.api_key, route.model) == (other, "claude-sonnet-4-5")
    assert endpoint.rev == 2
    assert acts_on(search)[-1] == ("edited", sorted(changed))


def test_the_event_of_an_edit_names_fields_and_no_values(search: Endpoint, by: Actor) -> None:
    edit(search, by, description="confidential", route={"model": "secret-model"})

    event = AuditEvent.objects.about(search).first()
    assert event.fields == ["description", "model"]
    assert not any(word in repr(vars(event)) for word in ("confidential", "secret-model"))


def test_an_edit_that_changes_nothing_leaves_no_trace(search: Endpoint, by: Actor) -> None:
    before = stored(search)

    assert edit(search, by) == []

    after = stored(search)
    assert (after.rev, after.updated_at) == (before.rev, before.updated_at)
    assert len(acts_on(search)) == 1


def test_an_edit_moves_last_updated(search: Endpoint, by: Actor) -> None:
    before = stored(search).updated_at

    edit(search, by, description="new")

    assert stored(search).updated_at > before


def test_editing_one_route_leaves_the_others(
    search: Endpoint, make_key: MakeKey, by: Actor
) -> None:
    spare = Route.objects.create(
        endpoint=search, api_key=make_key("spare"), model="spare", kind="fallback", weight=10
    )

    edit(search, by, route={"model": "gpt-5"})

    assert [route.model for route in search.routes.all()] == ["gpt-5", "spare"]
    assert Route.objects.get(pk=spare.pk).weight == 10


# --- Several routes ------------------------------------------------------------------------------


@pytest.fixture
def shared(make_endpoint: MakeEndpoint, make_key: MakeKey) -> Endpoint:
    """An endpoint with two primary routes and two fallbacks, whose keys are called like models."""
    return make_endpoint(
        "shared",
        routes=[
            Route(api_key=make_key("a"), model="a", weight=70),
            Route(api_key=make_key("b"), model="b", weight=30),
            Route(api_key=make_key("c"), model="c", kind="fallback"),
            Route(api_key=make_key("d"), model="d", kind="fallback"),
        ],
    )


def models_of(endpoint: Endpoint) -> list[str]:
    return [route.model for route in stored(endpoint).routes.all()]


def test_an_endpoint_is_created_with_all_its_routes_in_their_order(shared: Endpoint) -> None:
    routes = stored(shared).routes.all()

    assert [(route.kind, route.model, route.weight) for route in routes] == [
        ("primary", "a", 70),
        ("primary", "b", 30),
        ("fallback", "c", 100),
        ("fallback", "d", 100),
    ]
    assert acts_on(shared) == [("created", ["description", "enabled", "name", "routes", "sticky"])]


def test_routes_are_added_moved_and_removed_in_one_act(
    shared: Endpoint, api_key: ApiKey, by: Actor
) -> None:
    one, _, three, four = shared.routes.all()
    one.weight = 100
    new = Route(api_key=api_key, model="e", kind="fallback")

    changed = update_endpoint(shared, [one, four, new, three], by=by, rev=1)

    assert changed == ["routes"]
    assert models_of(shared) == ["a", "d", "e", "c"]
    assert list(shared.routes.values_list("pk", flat=True)) == [one.pk, four.pk, new.pk, three.pk]
    assert acts_on(shared)[1:] == [("edited", ["routes"])]
    assert stored(shared).rev == 2


def test_the_same_routes_again_are_no_change(shared: Endpoint, by: Actor) -> None:
    Route.objects.filter(kind="fallback").update(weight=7)  # which says nothing of a fallback

    assert update_endpoint(shared, list(shared.routes.all()), by=by, rev=1) == []
    assert stored(shared).rev == 1


def test_one_route_in_place_of_several_is_a_change_of_routes(shared: Endpoint, by: Actor) -> None:
    first = shared.routes.first()
    first.weight = 100

    assert update_endpoint(shared, [first], by=by, rev=1) == ["routes"]
    assert models_of(shared) == ["a"]


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ([], "Add a primary route"),
        ([{"kind": "fallback"}], "Add a primary route"),
        ([{"weight": 80}], "The weights of the primary routes add up to 80. Make them 100."),
        ([{"weight": 100}, {"model": "m"}], "add up to 200. Make them 100."),
        ([{}, {"kind": "fallback"}], "my-openai-key with gpt-5 is listed twice."),
        ([{}, *[{"kind": "fallback"}] * 2], "my-openai-key with gpt-5 is listed 3 times."),
        ([{}, *({"kind": "fallback", "model": f"m{n}"} for n in range(20))], "at most 20 routes"),
    ],
)
def test_routes_that_make_no_sense_together_are_refused(
    search: Endpoint, api_key: ApiKey, by: Actor, routes: list[dict[str, Any]], message: str
) -> None:
    rows = [Route(**{"api_key": api_key, "model": "gpt-5", **values}) for values in routes]

    for save in (
        lambda: create_endpoint(Endpoint(name="fresh"), rows, by=by),
        lambda: update_endpoint(search, rows, by=by, rev=1),
    ):
        with pytest.raises(ValidationError) as refusal:
            save()
        assert set(refusal.value.message_dict) == {"routes"}
        assert message in str(refusal.value)

    assert models_of(search) == ["gpt-5-mini"]
    assert Endpoint.objects.count() == 1


def test_routes_without_a_key_are_not_the_same(shared: Endpoint, by: Actor) -> None:
    """They were different until their keys were deleted, and saving must stay possible."""
    Route.objects.filter(kind="fallback").update(api_key=None, model="m")

    assert edit(stored(shared), by, description="new") == ["description"]


def test_errors_carry_the_number_of_their_route(api_key: ApiKey, by: Actor) -> None:
    routes = [Route(api_key=api_key, model="a"), Route(api_key=api_key, model="", weight=101)]

    with pytest.raises(ValidationError) as refusal:
        create_endpoint(Endpoint(name=""), routes, by=by)

    assert set(refusal.value.message_dict) == {"name", "routes-1-model", "routes-1-weight"}


def test_a_key_that_is_gone_is_an_error_of_its_route(
    shared: Endpoint, make_key: MakeKey, by: Actor
) -> None:
    late = make_key("late")
    routes = [*shared.routes.all(), Route(api_key=late, model="e", kind="fallback")]
    ApiKey.objects.filter(pk=late.pk).delete()

    with pytest.raises(ValidationError) as refusal:
        update_endpoint(shared, routes, by=by, rev=1)

    assert set(refusal.value.message_dict) == {"routes-4-api_key"}


def test_a_stale_revision_of_the_routes_is_a_conflict(shared: Endpoint, by: Actor) -> None:
    mine = list(shared.routes.all())
    update_endpoint(stored(shared), mine[:3], by=by, rev=1)

    with pytest.raises(Conflict):
        update_endpoint(shared, mine[::-1], by=by, rev=1)

    assert models_of(shared) == ["a", "b", "c"]


# --- Conflicts, deletion -------------------------------------------------------------------------


def test_an_edit_on_a_stale_revision_is_a_conflict(search: Endpoint, by: Actor) -> None:
    mine, theirs = stored(search), stored(search)
    edit(theirs, by, description="theirs")

    with pytest.raises(Conflict):
        edit(mine, by, description="mine", route={"model": "mine"})

    assert stored(search).description == "theirs"
    assert stored(search).routes.first().model == "gpt-5-mini"


def test_an_edit_after_the_key_was_deleted_is_a_conflict(
    search: Endpoint, api_key: ApiKey, by: Actor
) -> None:
    mine = stored(search)
    seen = blast_radius_of(api_key).digest()
    delete_api_key(api_key, by=by, seen=seen, confirmation=api_key.name)

    with pytest.raises((Conflict, ValidationError)):
        edit(mine, by, description="mine")

    assert state_of(search) == "down"


def test_an_edit_cannot_take_the_name_of_another(
    search: Endpoint, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    make_endpoint("support", None)

    with pytest.raises(ValidationError) as refusal:
        edit(search, by, name="support")

    assert set(refusal.value.message_dict) == {"name"}
    assert stored(search).name == "search"


def test_an_active_endpoint_is_deleted_when_its_name_is_typed(search: Endpoint, by: Actor) -> None:
    for typed in ("", "SEARCH", "sear"):
        with pytest.raises(ValidationError) as refusal:
            delete_endpoint(search, by=by, rev=1, confirmation=typed)
        assert set(refusal.value.message_dict) == {"confirmation"}

    delete_endpoint(search, by=by, rev=1, confirmation=" search ")

    assert not Endpoint.objects.exists()
    assert not Route.objects.exists()
    assert AuditEvent.objects.latest("id").act == "deleted"
    assert AuditEvent.objects.latest("id").subject_name == "search"


def test_an_inactive_endpoint_is_deleted_without_its_name(
    make_endpoint: MakeEndpoint, api_key: ApiKey, by: Actor
) -> None:
    for endpoint in (make_endpoint("off", api_key, enabled=False), make_endpoint("keyless", None)):
        delete_endpoint(endpoint, by=by, rev=1)

    assert not Endpoint.objects.exists()


def test_deleting_on_a_stale_revision_is_a_conflict(search: Endpoint, by: Actor) -> None:
    edit(stored(search), by, description="changed")

    with pytest.raises(Conflict):
        delete_endpoint(search, by=by, rev=1, confirmation="search")

    assert stored(search)


def test_deleting_an_endpoint_leaves_its_key(search: Endpoint, api_key: ApiKey, by: Actor) -> None:
    delete_endpoint(search, by=by, rev=1, confirmation="search")

    assert len(blast_radius_of(ApiKey.objects.get(pk=api_key.pk))) == 0


def test_an_endpoint_without_a_key_gets_one(
    search: Endpoint, api_key: ApiKey, make_key: MakeKey, by: Actor
) -> None:
    seen = blast_radius_of(api_key).digest()
    delete_api_key(api_key, by=by, seen=seen, confirmation=api_key.name)
    assert state_of(search) == "down"

    changed = edit(stored(search), by, route={"api_key": make_key("heir")})

    assert changed == ["api_key"]
    assert state_of(search) == "active"


def test_the_list_of_keys_counts_endpoints_not_routes(
    search: Endpoint, api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    Route.objects.create(endpoint=search, api_key=api_key, model="spare", kind="fallback")
    make_endpoint("support", api_key)
    unused = make_key("unused")

    assert registry().counts([api_key.pk, unused.pk]) == {api_key.pk: 2}


@pytest.mark.parametrize("act", ["create", "edit", "delete"])
def test_what_cannot_be_written_down_does_not_happen(
    search: Endpoint,
    api_key: ApiKey,
    make_endpoint: MakeEndpoint,
    lose_events_table: Callable[[], None],
    by: Actor,
    act: str,
) -> None:
    acts = {
        "create": lambda: make_endpoint("support", api_key),
        "edit": lambda: edit(stored(search), by, name="find"),
        "delete": lambda: delete_endpoint(search, by=by, rev=1, confirmation="search"),
    }
    lose_events_table()

    with pytest.raises(DatabaseError):
        acts[act]()

    assert list(Endpoint.objects.values_list("name", "rev")) == [("search", 1)]
    assert Route.objects.count() == 1
