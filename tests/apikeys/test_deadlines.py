"""When credentials are due, overdue and expired, and who says so."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys import services
from apikeys.actors import Actor
from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.models.deadlines import Status, deadlines
from apikeys.sealing import Secrets
from tests.conftest import MakeKey
from tests.made_up import OPENAI_KEY

pytestmark = pytest.mark.django_db

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
DAY = timedelta(days=1)
BEGIN = timezone.now()
SHORT_TERM = "bedrock-api-key-" + "a" * 60
AWS = {
    "aws_access_key_id": "ASIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "made+up/session/token==",
}


def fresh(key: ApiKey) -> ApiKey:
    return ApiKey.objects.with_versions().get(pk=key.pk)


def edit(key: ApiKey, by: Actor, *, secret: str = "", **changes: Any) -> ApiKey:
    key = fresh(key)
    for name, value in changes.items():
        setattr(key, name, value)
    key.secrets = Secrets(api_key=secret) if secret else Secrets()
    services.update_api_key(key, by=by, rev=key.rev)
    return key


@pytest.mark.parametrize(
    ("every", "lasts", "due", "overdue"),
    [
        (None, None, None, None),
        (90, None, 83 * DAY, 90 * DAY),
        (365, None, 358 * DAY, 365 * DAY),
        (30, None, 27 * DAY, 30 * DAY),
        (1, None, 0.9 * DAY, DAY),
        (None, 365 * DAY, 358 * DAY, None),
        (None, DAY / 2, 0.45 * DAY, None),
        (90, 30 * DAY, 27 * DAY, 90 * DAY),
        (30, 365 * DAY, 27 * DAY, 30 * DAY),
    ],
)
def test_due_is_a_week_or_a_tenth_of_the_time_before_the_end(
    every: int | None, lasts: timedelta | None, due: timedelta | None, overdue: timedelta | None
) -> None:
    found = deadlines(BEGIN, expires_at=lasts and BEGIN + lasts, rotate_every_days=every)

    assert found["due_at"] == (due and BEGIN + due)
    assert found["overdue_at"] == (overdue and BEGIN + overdue)


CASES: dict[str, tuple[dict[str, Any], list[Status]]] = {
    "nothing": ({}, []),
    "due": ({"due_at": -DAY, "overdue_at": DAY}, [Status.DUE]),
    "not yet": ({"due_at": DAY, "overdue_at": 2 * DAY, "expires_at": 3 * DAY}, []),
    "overdue": ({"due_at": -DAY, "overdue_at": -DAY}, [Status.OVERDUE]),
    "expired": ({"due_at": -DAY, "expires_at": -DAY}, [Status.EXPIRED]),
    "all": (
        {"due_at": -DAY, "overdue_at": -DAY, "expires_at": -DAY, "refused_at": -DAY, "enabled": 0},
        [Status.REFUSED, Status.EXPIRED, Status.OVERDUE, Status.DISABLED],
    ),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
def test_the_database_and_the_row_agree_on_the_status(
    make_key: MakeKey, values: dict[str, Any], expected: list[Status]
) -> None:
    make_key("other")
    key = make_key("key")
    now = timezone.now()
    moments = {n: now + v if isinstance(v, timedelta) else bool(v) for n, v in values.items()}
    ApiKey.objects.filter(pk=key.pk).update(**moments)

    assert fresh(key).statuses() == expected
    found = [status for status in Status if ApiKey.objects.in_status(status).exists()]
    assert found == expected
    assert ApiKey.objects.in_status("").count() == 2


# --- The interval ------------------------------------------------------------------------------


def test_the_interval_counts_from_when_the_credentials_came(make_key: MakeKey, by: Actor) -> None:
    key = make_key()
    made = key.current.created_at

    key = edit(key, by, rotate_every_days=30)

    assert key.overdue_at == made + 30 * DAY
    assert key.due_at == made + 27 * DAY
    assert edit(key, by, rotate_every_days=None).overdue_at is None


def test_new_credentials_begin_a_new_interval_and_rolling_back_does_not(
    make_key: MakeKey, by: Actor
) -> None:
    key = edit(make_key(), by, rotate_every_days=30)
    CredentialVersion.objects.update(created_at=timezone.now() - 40 * DAY)

    key = edit(key, by, secret=NEW_KEY)
    assert key.statuses() == []
    services.roll_back_credentials(key, by=by, rev=key.rev)

    assert fresh(key).statuses() == [Status.OVERDUE]


def test_the_same_credentials_sealed_for_another_place_are_no_younger(
    make_key: MakeKey, by: Actor
) -> None:
    key = edit(make_key(), by, rotate_every_days=30)
    CredentialVersion.objects.update(created_at=timezone.now() - 40 * DAY)

    key = edit(key, by, secret=OPENAI_KEY, config={"api_base": "https://proxy.example/v1"})

    assert key.statuses() == [Status.OVERDUE]


@pytest.mark.parametrize("days", [0, -1, 3651, 40_000])
def test_an_interval_that_makes_no_sense_is_refused(
    make_key: MakeKey, by: Actor, days: int
) -> None:
    with pytest.raises(ValidationError) as refusal:
        edit(make_key(), by, rotate_every_days=days)

    assert set(refusal.value.message_dict) == {"rotate_every_days"}


# --- Expiry ------------------------------------------------------------------------------------


def lasts(version: CredentialVersion) -> timedelta | None:
    begin = version.created_at.replace(microsecond=0)
    return version.expires_at and version.expires_at - begin


def test_short_lived_credentials_expire_by_themselves(make_key: MakeKey) -> None:
    aws = make_key("aws", "bedrock", "access_keys", secrets=AWS)
    scheme = AuthScheme.objects.get(provider__slug="bedrock", transport__expiry__hours=12)
    short = make_key("short", "bedrock", scheme.slug, secrets={"api_key": SHORT_TERM})

    assert lasts(aws.current) == lasts(short.current) == timedelta(hours=12)
    assert fresh(aws).expires_at == aws.current.expires_at


def test_long_lived_credentials_do_not(make_key: MakeKey) -> None:
    long = {name: AWS[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    aws = make_key("aws", "bedrock", "access_keys", secrets=long)

    assert make_key().current.expires_at is None
    assert aws.current.expires_at is None


def test_what_is_typed_counts_more_than_what_is_known(draft_key: MakeKey, by: Actor) -> None:
    key = draft_key("aws", "bedrock", "access_keys", secrets=AWS)
    key.expires_at = timezone.now() + 36 * timedelta(hours=1)

    services.create_api_key(key, by=by)

    assert fresh(key).expires_at == fresh(key).current.expires_at == key.expires_at
    assert timedelta(hours=35) < lasts(key.current) < timedelta(hours=37)


def test_a_typed_expiry_is_that_of_the_credentials_in_use(make_key: MakeKey, by: Actor) -> None:
    soon = timezone.now() + 2 * DAY

    key = fresh(edit(make_key(), by, expires_at=soon))

    assert key.expires_at == key.current.expires_at == soon
    assert key.due_at < soon


def test_new_credentials_keep_a_date_ahead_and_drop_one_that_is_over(
    make_key: MakeKey, by: Actor
) -> None:
    ahead = timezone.now() + 30 * DAY
    key = edit(make_key(), by, expires_at=ahead)
    assert edit(key, by, secret=NEW_KEY).expires_at == ahead

    past = timezone.now() - DAY
    ApiKey.objects.update(expires_at=past)
    after = edit(key, by, secret=OPENAI_KEY)

    assert after.expires_at is None
    assert services.api_keys.OLD_EXPIRY in after.notes


def test_a_new_session_token_expires_twelve_hours_later(make_key: MakeKey, by: Actor) -> None:
    key = make_key("aws", "bedrock", "access_keys", secrets=AWS)
    CredentialVersion.objects.update(expires_at=timezone.now() - DAY)
    ApiKey.objects.update(expires_at=timezone.now() - DAY)
    key = fresh(key)
    key.secrets = Secrets(aws_session_token="another+session+token==")

    services.update_api_key(key, by=by, rev=key.rev)

    assert timedelta(hours=11) < key.expires_at - timezone.now() <= timedelta(hours=12)
    assert key.statuses() == []


def test_an_expiry_travels_with_its_credentials(make_key: MakeKey, by: Actor) -> None:
    old, new = timezone.now() + DAY, timezone.now() + 90 * DAY
    key = fresh(edit(make_key(), by, expires_at=old))
    key.secrets = Secrets(api_key=NEW_KEY)
    services.stage_credentials(key, by=by, rev=key.rev, expires_at=new)
    assert fresh(key).expires_at == old

    key = fresh(key)
    services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)
    assert fresh(key).expires_at == new
    services.roll_back_credentials(key, by=by, rev=key.rev + 1)

    assert fresh(key).expires_at == old
