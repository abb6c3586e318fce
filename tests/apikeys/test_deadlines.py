"""When credentials are due, overdue and expired, and who says so."""

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys import services
from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.models.deadlines import Status, condition, deadlines, statuses
from apikeys.sealing import Secrets
from gatewayproject.accounts.actors import Actor
from tests import drafts
from tests.conftest import DraftKey, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
DAY = timedelta(days=1)
BEGIN = timezone.now()
DAYS = st.integers(0, 30)
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
    drafts.save(key, Secrets(api_key=secret) if secret else Secrets(), by=by)
    return key


@pytest.mark.parametrize(
    ("every", "lasts", "due", "overdue"),
    [
        (None, None, None, None),
        (90, None, 83 * DAY, 90 * DAY),
        (365, None, 358 * DAY, 365 * DAY),
        (30, None, 27 * DAY, 30 * DAY),
        (1, None, 0.9 * DAY, DAY),
        (None, 365 * DAY, None, None),
        (90, 30 * DAY, 83 * DAY, 90 * DAY),
    ],
)
def test_due_is_a_week_or_a_tenth_of_the_interval_before_its_end(
    every: int | None, lasts: timedelta | None, due: timedelta | None, overdue: timedelta | None
) -> None:
    found = deadlines(
        BEGIN,
        expires_at=lasts and BEGIN + lasts,
        expiry_notice_days=None,
        rotate_every_days=every,
    )

    assert found["due_at"] == (due and BEGIN + due)
    assert found["overdue_at"] == (overdue and BEGIN + overdue)


CASES: dict[str, tuple[dict[str, Any], list[Status]]] = {
    "nothing": ({}, []),
    "due": ({"due_at": -DAY, "overdue_at": DAY}, [Status.DUE]),
    "not yet": ({"due_at": DAY, "overdue_at": 2 * DAY, "expires_at": 15 * DAY}, []),
    "expiring": ({"expires_at": 13 * DAY}, [Status.EXPIRING]),
    "expiring and due": (
        {"expires_at": DAY, "due_at": -DAY, "overdue_at": DAY},
        [Status.EXPIRING, Status.DUE],
    ),
    "overdue": ({"due_at": -DAY, "overdue_at": -DAY}, [Status.OVERDUE]),
    "expired": ({"due_at": -DAY, "expires_at": -DAY}, [Status.EXPIRED]),
    "restricted": ({"restricted": 1}, [Status.RESTRICTED]),
    "all": (
        {
            "due_at": -DAY,
            "overdue_at": -DAY,
            "expires_at": -DAY,
            "refused_at": -DAY,
            "restricted": 1,
            "enabled": 0,
        },
        [Status.REFUSED, Status.RESTRICTED, Status.EXPIRED, Status.OVERDUE, Status.DISABLED],
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


OFFSETS = st.sampled_from([-1, 0, 1]) | st.integers(-40 * 86400, 40 * 86400)  # seconds


@pytest.mark.timeout(1800)  # CI asks for more examples, on machines that are busy
@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "200")), deadline=None)
@given(
    lasts=st.none() | OFFSETS | st.builds(lambda days, more: days * 86400 + more, DAYS, OFFSETS),
    notice=st.none() | DAYS,
    every=st.none() | st.integers(1, 120),
    age=OFFSETS,
    default=DAYS,
)
def test_whatever_the_dates_are_the_database_and_the_row_agree(
    lasts: int | None, notice: int | None, every: int | None, age: int, default: int
) -> None:
    """At the very second at which a status begins, too."""
    now = timezone.now().replace(microsecond=0)
    ends = None if lasts is None else now + timedelta(seconds=lasts)
    columns = deadlines(
        now - timedelta(seconds=age),
        expires_at=ends,
        expiry_notice_days=notice,
        rotate_every_days=every,
    )
    with override_settings(EXPIRY_NOTICE_DAYS=default), transaction.atomic():
        key = ApiKey(
            name="key", scheme=AuthScheme.objects.first(), expiry_notice_days=notice, **columns
        )
        key.save(force_insert=True)
        found = [s for s in Status if ApiKey.objects.filter(condition(s, now)).exists()]
        transaction.set_rollback(True)

        assert found == statuses(key, now)
        if ends is not None:
            days = default if notice is None else notice
            assert (Status.EXPIRING in found) == (now < ends <= now + timedelta(days=days))


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


def test_what_is_typed_counts_more_than_what_is_known(draft_key: DraftKey, by: Actor) -> None:
    draft = draft_key("aws", "bedrock", "access_keys", secrets=AWS)
    typed = timezone.now() + 36 * timedelta(hours=1)
    draft = replace(draft, details={**draft.details, "expires_at": typed})

    key = services.create_api_key(draft, by=by).api_key

    assert fresh(key).expires_at == fresh(key).current.expires_at == typed
    assert timedelta(hours=35) < lasts(key.current) < timedelta(hours=37)


def test_a_typed_expiry_is_that_of_the_credentials_in_use(make_key: MakeKey, by: Actor) -> None:
    soon = timezone.now() + 2 * DAY

    key = fresh(edit(make_key(), by, expires_at=soon))

    assert key.expires_at == key.current.expires_at == soon
    assert key.due_at is None
    assert key.statuses() == [Status.EXPIRING]


def test_new_credentials_keep_a_date_ahead_and_drop_one_that_is_over(
    make_key: MakeKey, by: Actor
) -> None:
    ahead = timezone.now() + 30 * DAY
    key = edit(make_key(), by, expires_at=ahead)
    assert edit(key, by, secret=NEW_KEY).expires_at == ahead

    past = timezone.now() - DAY
    ApiKey.objects.update(expires_at=past)
    saved = drafts.save(fresh(key), Secrets(api_key=OPENAI_KEY), by=by)

    assert saved.api_key.expires_at is None
    assert services.api_keys.OLD_EXPIRY in saved.notes


def test_a_new_session_token_expires_twelve_hours_later(make_key: MakeKey, by: Actor) -> None:
    key = make_key("aws", "bedrock", "access_keys", secrets=AWS)
    CredentialVersion.objects.update(expires_at=timezone.now() - DAY)
    ApiKey.objects.update(expires_at=timezone.now() - DAY)
    key = fresh(key)

    drafts.save(key, Secrets(aws_session_token="another+session+token=="), by=by)

    assert timedelta(hours=11) < key.expires_at - timezone.now() <= timedelta(hours=12)
    assert key.statuses() == [Status.EXPIRING]


def test_an_expiry_travels_with_its_credentials(make_key: MakeKey, by: Actor) -> None:
    old, new = timezone.now() + DAY, timezone.now() + 90 * DAY
    key = fresh(edit(make_key(), by, expires_at=old))
    drafts.stage(key, Secrets(api_key=NEW_KEY), by=by, expires_at=new)
    assert fresh(key).expires_at == old

    key = fresh(key)
    services.promote_credentials(key, by=by, rev=key.rev, confirmation=key.name)
    assert fresh(key).expires_at == new
    services.roll_back_credentials(key, by=by, rev=key.rev + 1)

    assert fresh(key).expires_at == old
