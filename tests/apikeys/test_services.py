"""What can be done with an API key: create, edit, delete, and the trail that each leaves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.sealing import Role, Secrets
from apikeys.services import create_api_key, delete_api_key
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.naming import unique_name
from tests import drafts
from tests.conftest import DraftKey
from tests.fakes import OPENAI_KEY, service_account
from tests.usage import state_of

MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]
NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
AWS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "made+up/session/token==",
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def api_key(make_key: MakeKey) -> ApiKey:
    """A key whose credentials were stored yesterday."""
    api_key = make_key("my-openai-key", team="search")
    yesterday = timezone.now() - timedelta(days=1)
    ApiKey.objects.update(credentials_changed_at=yesterday, created_at=yesterday)
    return stored(api_key)


@pytest.fixture
def aws_key(make_key: MakeKey) -> ApiKey:
    return stored(make_key("aws", "bedrock", "access_keys", secrets=AWS))


def stored(api_key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=api_key.pk)


def secrets_of(api_key: ApiKey) -> Secrets:
    fresh = stored(api_key)
    return fresh.current.open_for(fresh, towards=fresh.origins())


def edit(
    api_key: ApiKey,
    by: Actor,
    *,
    secrets: dict[str, str] | None = None,
    remove: Any = (),
    **changes: Any,
) -> list[str]:
    """Edit as a form does: on the row as it was loaded."""
    for name, value in changes.items():
        setattr(api_key, name, value)
    return drafts.save(api_key, secrets, by=by, remove=remove).changed


def delete(api_key: ApiKey, by: Actor, **options: Any) -> None:
    delete_api_key(api_key, by=by, seen=blast_radius_of(api_key).digest(), **options)


def acts_on(api_key: ApiKey) -> list[tuple[str, list[str]]]:
    """Return what was done to the key, oldest first, each with its fields."""
    return list(AuditEvent.objects.about(api_key).order_by("id").values_list("act", "fields"))


# --- Create ------------------------------------------------------------------------------------


def test_a_created_key_is_sealed_and_knows_who_made_it(make_key: MakeKey, by: Actor) -> None:
    api_key = stored(make_key("my-openai-key", environment="staging", team="search"))

    assert (api_key.name, api_key.environment, api_key.team) == (
        "my-openai-key",
        "staging",
        "search",
    )
    assert (api_key.created_by, api_key.rev) == (by.name, 1)
    assert api_key.current.hint == "wXyZ"
    assert api_key.current.parts == ["api_key"]
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}
    assert api_key.is_readable()
    assert api_key.unreadable_because() == ""


def test_a_pasted_key_is_stored_without_what_surrounds_it(draft_key: DraftKey, by: Actor) -> None:
    draft = draft_key(secrets={"api_key": f"export OPENAI_API_KEY='{OPENAI_KEY}'\n"})

    api_key, _, notes = create_api_key(draft, by=by)

    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}
    assert any(note.startswith("Removed") for note in notes)


def test_a_method_without_secrets_makes_a_key_too(make_key: MakeKey) -> None:
    api_key = make_key("chain", "bedrock", "default_chain")

    assert secrets_of(api_key) == {}
    assert api_key.is_readable()
    assert (api_key.current.hint, api_key.current.fingerprint) == ("", "")


def test_an_invalid_key_is_not_created(draft_key: DraftKey, by: Actor) -> None:
    with pytest.raises(ValidationError):
        create_api_key(draft_key("", secrets={}), by=by)

    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_same_credentials_under_another_name_are_noted(
    draft_key: DraftKey, make_key: MakeKey, by: Actor
) -> None:
    make_key("first")

    second = create_api_key(draft_key("second"), by=by)
    third = create_api_key(draft_key("third"), by=by)
    other = create_api_key(draft_key("other", secrets={"api_key": NEW_KEY}), by=by)

    assert "The same credentials are also stored as “first”." in second.notes
    assert "The same credentials are also stored as “first” and “second”." in third.notes
    assert not any("also stored" in note for note in other.notes)


# --- Edit --------------------------------------------------------------------------------------


def test_a_key_is_renamed_and_everything_else_stays(api_key: ApiKey, by: Actor) -> None:
    before = stored(api_key)

    changed = edit(api_key, by, name="renamed")

    after = stored(api_key)
    assert changed == ["name"]
    assert (after.name, after.rev, after.team) == ("renamed", before.rev + 1, "search")
    assert after.current_id == before.current_id
    assert after.credentials_changed_at == before.credentials_changed_at
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}
    assert acts_on(api_key)[-1] == ("edited", ["name"])


@pytest.mark.parametrize("name", ["ﷺ" * 80, "㍿" * 61])
def test_a_name_that_is_long_once_it_is_folded_is_found_and_stays_unique(
    name: str, make_key: MakeKey
) -> None:
    key = make_key(name)

    assert list(ApiKey.objects.named(name)) == [key]
    assert list(ApiKey.objects.search(name)) == [key]
    with pytest.raises(ValidationError, match="already has this name") as refusal:
        make_key(name)
    assert refusal.value.error_dict["name"][0].code == "unique"


def test_only_a_taken_name_is_reported_as_one(
    make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    keys = [make_key("one"), make_key("two")]
    make_endpoint("search")
    first = ApiKey.objects.filter(pk=keys[0].pk)

    with (
        pytest.raises(ValidationError, match="Another API key already has this name"),
        unique_name(ApiKey),
        transaction.atomic(),
    ):
        first.update(name_key=keys[1].name_key)
    with (
        pytest.raises(ValidationError, match="Another endpoint already has this name"),
        unique_name(Endpoint, "name"),
        transaction.atomic(),
    ):
        Endpoint.objects.create(name="search")
    with pytest.raises(IntegrityError), unique_name(ApiKey), transaction.atomic():
        first.update(config=None)


def test_a_renamed_key_is_found_by_its_new_name_only(api_key: ApiKey, by: Actor) -> None:
    edit(api_key, by, name="Neuer NAME")

    assert ApiKey.objects.search("neuer name").exists()
    assert not ApiKey.objects.search("my-openai").exists()


def test_a_key_cannot_take_the_name_of_another(
    api_key: ApiKey, make_key: MakeKey, by: Actor
) -> None:
    make_key("taken")

    with pytest.raises(ValidationError) as refusal:
        edit(api_key, by, name="TAKEN ")

    assert set(refusal.value.message_dict) == {"name"}
    assert stored(api_key).name == "my-openai-key"


def test_every_detail_can_be_edited(api_key: ApiKey, by: Actor) -> None:
    changed = edit(
        api_key,
        by,
        environment="development",
        team="",
        description="For trials.",
        config={**api_key.config, "organization": "org-acme"},
    )

    after = stored(api_key)
    assert set(changed) == {"environment", "team", "description", "organization"}
    assert (after.environment, after.team, after.description) == ("development", "", "For trials.")
    assert after.config["organization"] == "org-acme"


def test_empty_credentials_are_kept(api_key: ApiKey, by: Actor) -> None:
    edit(api_key, by, secrets={"api_key": ""}, team="other")

    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}


def test_credentials_are_replaced_and_the_old_ones_are_the_previous(
    api_key: ApiKey, by: Actor
) -> None:
    old = api_key.current

    changed = edit(api_key, by, secrets={"api_key": NEW_KEY})

    after = stored(api_key)
    assert changed == ["api_key"]
    assert secrets_of(api_key) == {"api_key": NEW_KEY}
    assert after.current.hint == "NeWx"
    assert timezone.now() - after.credentials_changed_at < timedelta(minutes=1)
    assert after.previous == old
    assert after.previous.replaced_at is not None
    assert after.previous.open_for(after, towards=after.origins()) == {"api_key": OPENAI_KEY}
    assert acts_on(api_key)[-1] == ("edited", ["api_key"])


def test_the_previous_credentials_are_destroyed_when_others_take_their_place(
    api_key: ApiKey, by: Actor
) -> None:
    first = api_key.current
    edit(api_key, by, secrets={"api_key": NEW_KEY})

    edit(api_key, by, secrets={"api_key": OPENAI_KEY})

    first.refresh_from_db()
    assert (first.sealed, first.hint, first.fingerprint) == (None, "", "")
    assert first.destroyed_at is not None
    assert stored(api_key).previous.hint == "NeWx"
    assert CredentialVersion.objects.filter(destroyed_at=None).count() == 2


def test_compromised_credentials_are_destroyed_at_once(api_key: ApiKey, by: Actor) -> None:
    old = api_key.current

    drafts.save(api_key, Secrets(api_key=NEW_KEY), by=by, compromised=True)

    old.refresh_from_db()
    assert old.sealed is None
    assert stored(api_key).previous is None
    assert secrets_of(api_key) == {"api_key": NEW_KEY}


@pytest.mark.parametrize("part", list(AWS))
def test_each_part_of_compound_credentials_is_replaced_on_its_own(
    aws_key: ApiKey, by: Actor, part: str
) -> None:
    changed = edit(aws_key, by, secrets={part: "AKIANEWNEWNEWNEWNEW1"})

    assert changed == [part]
    assert secrets_of(aws_key) == {**AWS, part: "AKIANEWNEWNEWNEWNEW1"}
    assert stored(aws_key).current.parts == sorted(AWS)


def test_an_optional_part_is_removed(aws_key: ApiKey, by: Actor) -> None:
    changed = edit(aws_key, by, remove=["aws_session_token"])

    assert changed == ["aws_session_token"]
    assert secrets_of(aws_key).keys() == {"aws_access_key_id", "aws_secret_access_key"}
    assert "aws_session_token" not in stored(aws_key).stored_parts()


def test_a_part_that_is_typed_and_removed_at_once_is_the_typed_one(
    aws_key: ApiKey, by: Actor
) -> None:
    edit(aws_key, by, secrets={"aws_session_token": "typed-token"}, remove=["aws_session_token"])

    assert secrets_of(aws_key)["aws_session_token"] == "typed-token"


def test_a_required_part_is_not_removed(aws_key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        edit(aws_key, by, remove=["aws_secret_access_key"])

    assert set(refusal.value.message_dict) == {"aws_secret_access_key"}
    assert secrets_of(aws_key) == AWS


def test_removing_what_is_not_there_changes_nothing(api_key: ApiKey, by: Actor) -> None:
    assert edit(api_key, by, remove=["nothing_of_the_kind"]) == []


def test_an_edit_that_changes_nothing_leaves_no_trace(api_key: ApiKey, by: Actor) -> None:
    before = stored(api_key)
    trail = acts_on(api_key)

    changed = edit(api_key, by)

    after = stored(api_key)
    assert changed == []
    assert (after.rev, after.current_id) == (before.rev, before.current_id)
    assert acts_on(api_key) == trail


def test_the_same_credentials_typed_again_say_so_and_stay(api_key: ApiKey, by: Actor) -> None:
    before = stored(api_key)

    saved = drafts.save(api_key, {"api_key": OPENAI_KEY}, by=by)

    after = stored(api_key)
    assert saved.changed == []
    assert any("already stored" in note for note in saved.notes)
    assert (after.current_id, after.credentials_changed_at) == (
        before.current_id,
        before.credentials_changed_at,
    )
    assert len(acts_on(api_key)) == 1


def test_an_edit_notes_the_same_credentials_under_another_name(
    api_key: ApiKey, make_key: MakeKey, by: Actor
) -> None:
    make_key("other", secrets={"api_key": NEW_KEY})

    saved = drafts.save(api_key, {"api_key": NEW_KEY}, by=by)

    assert "The same credentials are also stored as “other”." in saved.notes


def test_the_session_token_that_is_stored_counts_against_the_warning(
    aws_key: ApiKey, by: Actor
) -> None:
    saved = drafts.save(aws_key, {"aws_access_key_id": "ASIAIOSFODNN7EXAMPLE"}, by=by)

    assert not any("ASIA" in note for note in saved.notes)


def test_the_method_of_a_key_is_not_changed_by_an_edit(
    api_key: ApiKey, azure: AuthScheme, by: Actor
) -> None:
    """Its credentials would mean something else: that is another key."""
    before = (api_key.scheme_id, dict(api_key.config))

    with pytest.raises(ValidationError):
        edit(
            api_key,
            by,
            scheme=azure,
            config={"api_base": "https://acme.openai.azure.com"},
            secrets={"api_key": NEW_KEY},
        )

    assert (stored(api_key).scheme_id, stored(api_key).config) == before


# --- Where a key is sent -----------------------------------------------------------------------


def test_sending_a_key_elsewhere_demands_it_again(api_key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        edit(api_key, by, config={"api_base": "https://proxy.example/v1"})

    assert set(refusal.value.message_dict) == {"api_key"}
    assert stored(api_key).origins() == dict.fromkeys(
        (Role.API, Role.TEST), "https://api.openai.com:443"
    )
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com:8443/v1", "https://API.openai.com.evil.example", "https://openai.com"],
)
def test_another_port_or_host_is_elsewhere(api_key: ApiKey, by: Actor, url: str) -> None:
    with pytest.raises(ValidationError):
        edit(api_key, by, config={"api_base": url})


@pytest.mark.parametrize("url", ["https://api.openai.com/v2", "https://API.openai.com:443/v1/"])
def test_another_path_is_not_elsewhere(api_key: ApiKey, by: Actor, url: str) -> None:
    assert edit(api_key, by, config={"api_base": url}) == ["api_base"]
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}


def test_a_key_that_is_typed_again_may_be_sent_elsewhere(api_key: ApiKey, by: Actor) -> None:
    before = stored(api_key)

    changed = edit(
        api_key,
        by,
        config={"api_base": "https://proxy.example/v1"},
        secrets={"api_key": OPENAI_KEY},
    )

    after = stored(api_key)
    assert changed == ["api_base"]
    assert after.origins() == dict.fromkeys((Role.API, Role.TEST), "https://proxy.example:443")
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}
    assert after.credentials_changed_at == before.credentials_changed_at
    assert CredentialVersion.objects.get(pk=before.current_id).sealed is None


def test_another_region_is_elsewhere(aws_key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        edit(aws_key, by, config={"aws_region_name": "eu-west-1"})

    assert set(refusal.value.message_dict) == {"aws_access_key_id", "aws_secret_access_key"}


def test_moving_a_key_requires_all_of_its_secrets(aws_key: ApiKey, by: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        edit(
            aws_key,
            by,
            config={"aws_region_name": "eu-west-1"},
            secrets={"aws_access_key_id": AWS["aws_access_key_id"]},
        )

    assert set(refusal.value.message_dict) == {"aws_secret_access_key"}


def test_an_optional_part_that_is_not_typed_again_does_not_travel_along(
    aws_key: ApiKey, by: Actor
) -> None:
    required = {name: AWS[name] for name in ("aws_access_key_id", "aws_secret_access_key")}

    changed = edit(aws_key, by, config={"aws_region_name": "eu-west-1"}, secrets=required)

    assert secrets_of(aws_key) == required
    assert set(changed) == {"aws_region_name", "aws_session_token"}


def test_another_tenant_is_the_same_host_and_another_workspace_is_not(
    make_key: MakeKey, by: Actor
) -> None:
    entra = stored(make_key("entra", "azure", "service_principal"))
    databricks = stored(make_key("dbx", "databricks", "oauth_m2m"))

    assert edit(entra, by, config={**entra.config, "tenant_id": "other.onmicrosoft.com"}) == [
        "tenant_id"
    ]
    with pytest.raises(ValidationError) as refusal:
        edit(
            databricks,
            by,
            config={**databricks.config, "api_base": "https://other.cloud.databricks.com"},
        )
    assert set(refusal.value.message_dict) == {"client_secret"}


def test_changing_a_base_url_in_the_database_does_not_redirect_a_key(
    api_key: ApiKey, by: Actor
) -> None:
    """Moving the row elsewhere and then saving another edit does not encrypt the key for there."""
    ApiKey.objects.filter(pk=api_key.pk).update(config={"api_base": "https://evil.example/v1"})
    bent = stored(api_key)

    edit(bent, by, name="innocent")

    assert "not encrypted for" in stored(api_key).unreadable_because()


def test_secrets_of_a_key_changed_in_the_database_are_not_kept(aws_key: ApiKey, by: Actor) -> None:
    ApiKey.objects.filter(pk=aws_key.pk).update(config={"aws_region_name": "cn-north-1"})

    with pytest.raises(ValidationError):
        edit(stored(aws_key), by, secrets={"aws_access_key_id": "AKIANEWNEWNEWNEWNEW1"})

    assert stored(aws_key).current_id == aws_key.current_id


# --- Credentials that do not open --------------------------------------------------------------


def test_unreadable_credentials_are_replaced_by_typing_them_again(
    api_key: ApiKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    changed = edit(api_key, by, secrets={"api_key": NEW_KEY})

    assert changed == ["api_key"]
    assert secrets_of(api_key) == {"api_key": NEW_KEY}


def test_unreadable_credentials_are_all_demanded_at_once(
    aws_key: ApiKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(ValidationError) as refusal:
        edit(aws_key, by, secrets={"aws_access_key_id": "AKIANEWNEWNEWNEWNEW1"})

    assert "aws_secret_access_key" in refusal.value.message_dict
    assert stored(aws_key).current_id == aws_key.current_id


def test_unreadable_compound_credentials_are_replaced_as_a_whole(
    aws_key: ApiKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    required = {name: AWS[name] for name in ("aws_access_key_id", "aws_secret_access_key")}

    edit(aws_key, by, secrets=required)

    assert secrets_of(aws_key) == required


def test_details_are_edited_though_the_credentials_do_not_open(
    api_key: ApiKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    assert edit(api_key, by, name="renamed") == ["name"]


def test_a_key_without_credentials_gets_some(api_key: ApiKey, by: Actor) -> None:
    ApiKey.objects.filter(pk=api_key.pk).update(current=None)

    edit(stored(api_key), by, secrets={"api_key": NEW_KEY})

    assert secrets_of(api_key) == {"api_key": NEW_KEY}


# --- Two people at once ------------------------------------------------------------------------


def test_an_edit_on_a_stale_revision_is_a_conflict(api_key: ApiKey, by: Actor) -> None:
    mine, theirs = stored(api_key), stored(api_key)
    edit(theirs, by, team="theirs")

    with pytest.raises(Conflict):
        edit(mine, by, team="mine", secrets={"api_key": NEW_KEY})

    assert (stored(api_key).team, secrets_of(api_key)["api_key"]) == ("theirs", OPENAI_KEY)
    assert CredentialVersion.objects.count() == 1


def test_an_edit_of_a_key_that_was_deleted_concurrently_is_a_conflict(
    api_key: ApiKey, by: Actor
) -> None:
    mine = stored(api_key)
    delete(api_key, by)

    with pytest.raises(Conflict):
        edit(mine, by, name="mine")

    assert not ApiKey.objects.exists()


# --- Delete ------------------------------------------------------------------------------------


def test_a_key_that_nothing_uses_is_deleted_without_further_ado(api_key: ApiKey, by: Actor) -> None:
    delete(api_key, by)

    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()
    assert acts_on(api_key)[-1] == ("deleted", [])


def test_the_trail_survives_the_key(api_key: ApiKey, by: Actor) -> None:
    edit(api_key, by, name="renamed")
    delete(stored(api_key), by)

    shown = [(event.act, event.subject_name) for event in AuditEvent.objects.about(api_key)]
    assert shown == [("deleted", "renamed"), ("edited", "renamed"), ("created", "my-openai-key")]


def test_the_blast_radius_names_endpoints_and_what_would_become_of_them(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    search = make_endpoint("search", api_key)
    make_endpoint("support", api_key, enabled=False)
    make_endpoint("unrelated", make_key("other"))
    Route.objects.create(endpoint=search, api_key=make_key("spare"), model="gpt-5", kind="fallback")

    radius = blast_radius_of(api_key)

    assert [dependent.name for dependent in radius.dependents] == ["search", "support"]
    assert [dependent.name for dependent in radius.active] == ["search"]
    assert [dependent.name for dependent in radius.left_without_key] == ["support"]
    assert radius.dependents[0].url == "/endpoints/search/"


def test_an_endpoint_with_two_routes_over_a_key_is_counted_once(
    api_key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    search = make_endpoint("search", api_key)
    Route.objects.create(endpoint=search, api_key=api_key, model="gpt-5", kind="fallback")

    radius = blast_radius_of(api_key)

    assert len(radius) == 1
    assert radius.dependents[0].left_without_key


@pytest.mark.parametrize("typed", ["", "my-openai", "MY-OPENAI-KEY", "search"])
def test_a_key_in_use_is_not_deleted_by_accident(
    api_key: ApiKey, make_endpoint: MakeEndpoint, by: Actor, typed: str
) -> None:
    make_endpoint("search", api_key)

    with pytest.raises(ValidationError) as refusal:
        delete(api_key, by, confirmation=typed)

    assert set(refusal.value.message_dict) == {"confirmation"}
    assert stored(api_key).current is not None
    assert Route.objects.get().api_key_id == api_key.pk


def test_a_key_in_use_is_deleted_when_its_name_is_typed(
    api_key: ApiKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    endpoint = make_endpoint("search", api_key, model="gpt-5")

    delete(api_key, by, confirmation=" my-openai-key ")

    route = Route.objects.get()
    assert (route.endpoint, route.api_key, route.model) == (endpoint, None, "gpt-5")
    assert state_of(Endpoint.objects.get()) == "down"


def test_a_key_of_disabled_endpoints_needs_no_name(
    api_key: ApiKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    make_endpoint("search", api_key, enabled=False)

    delete(api_key, by)

    assert Route.objects.get().api_key is None


def test_another_key_takes_over_every_route(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    heir = make_key("heir")
    endpoints = [make_endpoint(name, api_key) for name in ("search", "support")]
    Route.objects.create(endpoint=endpoints[0], api_key=api_key, model="gpt-5", kind="fallback")

    delete(api_key, by, replacement=heir)

    assert not ApiKey.objects.filter(pk=api_key.pk).exists()
    assert {route.api_key_id for route in Route.objects.all()} == {heir.pk}
    assert [state_of(endpoint) for endpoint in Endpoint.objects.all()] == ["active", "active"]
    assert [endpoint.rev for endpoint in Endpoint.objects.all()] == [2, 2]


def test_everything_that_a_deletion_does_is_in_the_trail(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    endpoint = make_endpoint("search", api_key)
    before = AuditEvent.objects.count()

    delete(api_key, by, replacement=make_key("heir"))

    events = {(event.act, event.subject_name): event for event in AuditEvent.objects.all()}
    assert events["deleted", "my-openai-key"].note == "moved 1 endpoint to heir"
    assert events["key replaced", "search"].subject_id == str(endpoint.pk)
    assert events["key replaced", "search"].fields == ["api_key"]
    assert AuditEvent.objects.count() == before + 3  # and that the heir was created


def test_an_unfit_replacement_is_refused(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    make_endpoint("search", api_key)
    for unfit in (api_key, make_key("claude", "anthropic")):
        with pytest.raises(ValidationError) as refusal:
            delete(api_key, by, replacement=unfit, confirmation=api_key.name)

        assert set(refusal.value.message_dict) == {"replacement"}

    assert Route.objects.get().api_key_id == api_key.pk


def test_a_replacement_that_is_gone_by_now_is_refused(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    make_endpoint("search", api_key)
    heir = make_key("heir")
    delete(stored(heir), by)

    with pytest.raises((ValidationError, Conflict)):
        delete(api_key, by, replacement=heir)

    assert Route.objects.get().api_key_id == api_key.pk


def test_a_changed_blast_radius_is_a_conflict_and_nothing_happens(
    api_key: ApiKey, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    seen = blast_radius_of(api_key).digest()
    make_endpoint("newcomer", api_key)

    with pytest.raises(Conflict):
        delete_api_key(api_key, by=by, seen=seen, confirmation=api_key.name)

    assert Route.objects.get().api_key_id == api_key.pk
    assert len(acts_on(api_key)) == 1


@pytest.mark.parametrize("change", ["enabled", "gone", "spare"])
def test_any_change_of_the_blast_radius_is_a_conflict(
    api_key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor, change: str
) -> None:
    endpoint = make_endpoint("search", api_key, enabled=False)
    seen = blast_radius_of(api_key).digest()
    match change:
        case "enabled":
            Endpoint.objects.update(enabled=True)
        case "gone":
            endpoint.delete()
        case "spare":
            Route.objects.create(endpoint=endpoint, api_key=make_key("spare"), model="m")

    with pytest.raises(Conflict):
        delete_api_key(api_key, by=by, seen=seen, confirmation=api_key.name)


def test_deleting_a_key_twice_is_a_conflict(api_key: ApiKey, by: Actor) -> None:
    again = stored(api_key)
    seen = blast_radius_of(again).digest()
    delete(api_key, by)

    with pytest.raises(Conflict):
        delete_api_key(again, by=by, seen=seen)


def test_an_unreadable_key_can_be_deleted(api_key: ApiKey, by: Actor, settings: Any) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    delete(api_key, by)

    assert not ApiKey.objects.exists()


def test_a_key_in_use_is_not_deleted_past_the_service(
    api_key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", api_key)

    with pytest.raises(ProtectedError):
        api_key.delete()


# --- The trail ---------------------------------------------------------------------------------


def test_every_action_writes_one_event_with_its_actor_and_field_names_only(
    make_key: MakeKey, by: Actor
) -> None:
    api_key = stored(make_key("my-openai-key", description="confidential", organization="org-acme"))
    edit(api_key, by, secrets={"api_key": NEW_KEY}, team="search")
    delete(stored(api_key), by)

    events = AuditEvent.objects.about(api_key).order_by("id")
    assert [(event.act, event.fields) for event in events] == [
        ("created", ["api_base", "api_key", "description", "environment", "name", "organization"]),
        ("edited", ["api_key", "team"]),
        ("deleted", []),
    ]
    for event in events:
        assert (event.actor, event.actor_id, event.channel, event.address) == (
            by.name,
            by.user_id,
            by.channel,
            by.address,
        )
        for value in (NEW_KEY, OPENAI_KEY, "confidential", "org-acme", "https://"):
            assert value not in repr(vars(event))


def test_what_cannot_be_written_down_is_not_created(
    api_key: ApiKey, draft_key: DraftKey, lose_events_table: Callable[[], None], by: Actor
) -> None:
    lose_events_table()

    with pytest.raises(DatabaseError):
        create_api_key(draft_key("second"), by=by)

    assert not ApiKey.objects.named("second").exists()
    assert CredentialVersion.objects.count() == 1


def test_what_cannot_be_written_down_is_not_edited(
    api_key: ApiKey, lose_events_table: Callable[[], None], by: Actor
) -> None:
    lose_events_table()

    with pytest.raises(DatabaseError):
        edit(api_key, by, name="renamed", secrets={"api_key": NEW_KEY})

    assert (stored(api_key).name, stored(api_key).rev) == ("my-openai-key", 1)
    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}


def test_what_cannot_be_written_down_is_not_deleted(
    api_key: ApiKey, lose_events_table: Callable[[], None], by: Actor
) -> None:
    lose_events_table()

    with pytest.raises(DatabaseError):
        delete(api_key, by)

    assert secrets_of(api_key) == {"api_key": OPENAI_KEY}


def test_an_event_is_never_changed_in_python(api_key: ApiKey) -> None:
    event = AuditEvent.objects.about(api_key).get()
    event.actor = "somebody else"

    for change in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(actor="somebody else"),
        lambda: AuditEvent.objects.bulk_update([event], ["actor"]),
        lambda: AuditEvent.objects.update_or_create(
            pk=event.pk, defaults={"actor": "somebody else"}
        ),
    ):
        with pytest.raises(PermissionError), transaction.atomic():
            change()

    assert AuditEvent.objects.get(pk=event.pk).actor == "kim"


def test_an_event_is_never_changed_in_sql(api_key: ApiKey) -> None:
    with (
        pytest.raises(DatabaseError, match="audit events cannot be changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE accounts_auditevent SET actor = 'somebody else'")

    assert AuditEvent.objects.about(api_key).get().actor == "kim"


@pytest.mark.django_db(transaction=True)
def test_an_event_is_written_in_the_transaction_of_its_act(make_key: MakeKey, by: Actor) -> None:
    api_key = make_key()

    with pytest.raises(ImproperlyConfigured):
        AuditEvent.record(by, "edited", api_key)


def test_names_of_any_length_and_letters_fit_into_the_trail(make_key: MakeKey, by: Actor) -> None:
    api_key = stored(make_key("🔑" * 80))

    edit(api_key, by, name="ﷺ" * 80)

    assert [event.subject_name for event in AuditEvent.objects.about(api_key)] == [
        "ﷺ" * 80,
        "🔑" * 80,
    ]


def test_a_service_account_is_replaced_by_another(make_key: MakeKey, by: Actor) -> None:
    api_key = stored(make_key("vertex", "vertex_ai"))
    other = service_account(private_key_id="0123456789abcdef0123456789abcdef0123cafe")

    changed = edit(api_key, by, secrets={"vertex_credentials": other})

    assert changed == ["vertex_credentials"]
    assert stored(api_key).current.hint == "cafe"
