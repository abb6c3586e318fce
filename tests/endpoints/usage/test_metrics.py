"""/metrics, as Prometheus reads it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys.models import ApiKey, Restriction
from endpoints.models import Endpoint, OpenCircuit, Route
from endpoints.usage import metrics
from endpoints.usage.counts import COUNTS
from endpoints.usage.retention import trim_usage
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.fakes import OPENAI_KEY
from tests.installation import Installation
from tests.usage import use

pytestmark = pytest.mark.django_db

TOKEN = "made-up-metrics-token"
TOO_SHORT = "fifteen-letters"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def metrics_token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def route(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Route:
    return make_endpoint("search", make_key("ours"), model="gpt-5").routes.get()


def ask(client: Client, authorization: str = f"Bearer {TOKEN}", method: str = "GET") -> object:
    return client.generic(method, "/metrics", headers={"Authorization": authorization})


def samples(client: Client) -> list[Sample]:
    text = ask(client).content.decode()
    return [item for family in text_string_to_metric_families(text) for item in family.samples]


def values(client: Client, name: str, label: str) -> dict[str, float]:
    """Return the values of the metric by one of its labels."""
    return {item.labels[label]: item.value for item in samples(client) if item.name == name}


def test_every_holder_of_the_token_may_read(anonymous: Client) -> None:
    response = ask(anonymous)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "no-store" in response.headers["Cache-Control"]


def test_every_signed_in_user_may_read(client: Client) -> None:
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe9\xe8"],
)
def test_everybody_else_is_refused(anonymous: Client, authorization: str) -> None:
    response = ask(anonymous, authorization)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert b"gatehouse_" not in response.content


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Bearer None", ""])
def test_without_a_token_only_people_may_read(
    anonymous: Client, settings: Settings, authorization: str
) -> None:
    settings.METRICS_TOKEN = ""

    assert ask(anonymous, authorization).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_metrics_are_only_read(anonymous: Client, method: str) -> None:
    assert ask(anonymous, method=method).status_code == 405


def test_head_is_answered(anonymous: Client) -> None:
    assert ask(anonymous, method="HEAD").status_code == 200


def test_a_token_that_could_be_guessed_keeps_it_from_starting(installation: Installation) -> None:
    result = installation.manage("check", METRICS_TOKEN=TOO_SHORT)

    assert result.returncode != 0
    assert "METRICS_TOKEN: use 16 or more random characters" in result.stderr
    assert TOO_SHORT not in result.stderr


def test_requests_are_counted_by_outcome(anonymous: Client, route: Route) -> None:
    use(
        route,
        requests=20,
        client_errors=1,
        rate_limited=2,
        refused=3,
        provider_errors=4,
        account_errors=1,
    )
    use(route, ago=DAY, requests=10, unreachable=5, canceled=6)

    assert values(anonymous, "gatehouse_requests_total", "outcome") == {
        "ok": 8,
        "client_error": 1,
        "rate_limited": 2,
        "refused": 3,
        "account_error": 1,
        "provider_error": 4,
        "unreachable": 5,
        "canceled": 6,
    }


def test_a_series_names_endpoint_key_provider_and_model(anonymous: Client, route: Route) -> None:
    use(route)

    found = [item for item in samples(anonymous) if item.name == "gatehouse_tokens_total"]

    assert found[0].labels == {
        "endpoint": "search",
        "api_key": "ours",
        "provider": "openai",
        "model": "gpt-5",
        "kind": "input",
    }


def test_tokens_are_counted_by_kind(anonymous: Client, route: Route) -> None:
    use(route, input_tokens=300, output_tokens=40, cached_tokens=100)

    assert values(anonymous, "gatehouse_tokens_total", "kind") == {
        "input": 300,
        "output": 40,
        "cached": 100,
    }


def test_durations_are_a_cumulative_histogram(anonymous: Client, route: Route) -> None:
    use(route, requests=6, duration_ms=7_500, within_50_ms=1, within_800_ms=2, slower=3)

    buckets = values(anonymous, "gatehouse_request_duration_seconds_bucket", "le")
    total = values(anonymous, "gatehouse_request_duration_seconds_sum", "endpoint")
    count = values(anonymous, "gatehouse_request_duration_seconds_count", "endpoint")

    assert list(buckets.items())[:5] == [
        ("0.05", 1), ("0.1", 1), ("0.2", 1), ("0.4", 1), ("0.8", 3)
    ]  # fmt: skip
    assert list(buckets.items())[-2:] == [("51.2", 3), ("+Inf", 6)]
    assert (total, count) == ({"search": 7.5}, {"search": 6})


def test_the_time_to_first_byte_is_a_histogram_of_successful_requests(
    anonymous: Client, route: Route
) -> None:
    use(
        route,
        requests=4,
        client_errors=1,
        first_byte_ms=450,
        first_byte_within_50_ms=1,
        first_byte_within_200_ms=2,
    )

    name = "gatehouse_time_to_first_byte_seconds"
    buckets = values(anonymous, f"{name}_bucket", "le")
    assert list(buckets.items())[:3] == [("0.05", 1), ("0.1", 1), ("0.2", 3)]
    assert buckets["+Inf"] == 3
    assert values(anonymous, f"{name}_sum", "endpoint") == {"search": 0.45}
    assert values(anonymous, f"{name}_count", "endpoint") == {"search": 3}


def test_the_days_to_expiry_are_those_of_the_next_expiring_keys(
    anonymous: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SOONEST", 2)
    now = timezone.now()
    for name, days in (("a", 9), ("b", 3), ("c", 1), ("gone", -2), ("long-gone", -40), ("off", 1)):
        make_key(name)
        ApiKey.objects.filter(name=name).update(expires_at=now + days * DAY, enabled=name != "off")
    make_key("never")

    found = values(anonymous, "gatehouse_api_key_days_to_expiry", "api_key")

    assert {name: round(days) for name, days in found.items()} == {"c": 1, "b": 3, "gone": -2}


def test_restrictions_are_counted_by_key_and_cause(anonymous: Client, make_key: MakeKey) -> None:
    key = ApiKey.objects.select_related("current").get(pk=make_key("restricted").pk)
    facts = {"status": 403, "since": timezone.now(), "last_at": timezone.now()}
    for model, cause in (("a", "not_permitted"), ("b", "not_permitted"), ("", "no_credit")):
        Restriction.objects.create(version=key.current, model=model, cause=cause, **facts)

    assert values(anonymous, "gatehouse_api_key_restrictions", "cause") == {
        "no_credit": 1,
        "not_permitted": 2,
    }


def test_open_circuits_are_those_of_current_credentials(
    anonymous: Client, make_key: MakeKey
) -> None:
    version = make_key("dead").current
    version.refresh_from_db()
    ends = timezone.now() + DAY
    OpenCircuit.objects.create(version=version, model="gpt-5", since=timezone.now(), until=ends)

    found = [item for item in samples(anonymous) if item.name == "gatehouse_open_circuits"]
    assert [(item.labels, item.value) for item in found] == [
        ({"api_key": "dead", "provider": "openai", "model": "gpt-5"}, 1)
    ]
    ApiKey.objects.update(current=None)
    assert not values(anonymous, "gatehouse_open_circuits", "api_key")


def test_every_metric_says_what_it_is(anonymous: Client, route: Route) -> None:
    use(route)
    text = ask(anonymous).content.decode()

    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name


def test_tokens_and_routes_make_no_series_of_their_own(
    anonymous: Client, route: Route, make_token: MakeToken
) -> None:
    use(route, make_token("one"), requests=2)
    use(route, make_token("two"), requests=3)

    assert values(anonymous, "gatehouse_requests_total", "outcome")["ok"] == 5


def test_counters_do_not_go_back_when_usage_is_trimmed(anonymous: Client, route: Route) -> None:
    use(route, ago=500 * DAY, requests=5)

    trim_usage(keep_days=400)

    assert values(anonymous, "gatehouse_requests_total", "outcome")["ok"] == 5


def test_it_shows_the_number_of_keys_and_which_are_refused(
    anonymous: Client, route: Route, make_key: MakeKey
) -> None:
    use(route)
    make_key("refused", "groq")
    make_key("never-used", "mistral")
    ApiKey.objects.filter(name="refused").update(refused_at=timezone.now())

    assert values(anonymous, "gatehouse_api_key_refused", "api_key") == {"ours": 0, "refused": 1}
    output = {item.name: item.value for item in samples(anonymous)}
    assert (output["gatehouse_api_keys"], output["gatehouse_endpoints"]) == (3, 1)


def test_what_was_deleted_goes_by_its_id(anonymous: Client, route: Route) -> None:
    use(route, requests=5)
    endpoint, key = route.endpoint_id, route.api_key_id
    Endpoint.objects.all().delete()
    ApiKey.objects.all().delete()

    (ok,) = [item for item in samples(anonymous) if item.labels.get("outcome") == "ok"]

    assert ok.value == 5
    assert ok.labels["endpoint"] == str(endpoint)
    assert ok.labels["api_key"] == str(key)
    assert ok.labels["provider"] == ""


def test_names_of_every_kind_arrive_as_they_are(anonymous: Client, route: Route) -> None:
    name, model = 'مفتاح "one" \\ {x="y"} \\n', 'a"b\\c\nd{le="1"} 7 🙂'
    ApiKey.objects.update(name=name)
    use(route, model=model)

    (ok,) = [item for item in samples(anonymous) if item.labels.get("outcome") == "ok"]

    assert (ok.labels["api_key"], ok.labels["model"]) == (name, model)


def test_no_secret_is_in_it(anonymous: Client, route: Route, make_token: MakeToken) -> None:
    token = make_token("search-service")
    use(route, token, **dict.fromkeys(COUNTS, 3))

    text = ask(anonymous).content.decode()

    for secret in (OPENAI_KEY, OPENAI_KEY[-4:], TOKEN, token.prefix, token.digest, "gAAAA"):
        assert secret not in text


def test_it_asks_the_database_as_often_for_many_as_for_one(
    anonymous: Client,
    route: Route,
    make_endpoint: MakeEndpoint,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        use(make_endpoint(f"endpoint-{number}", route.api_key).routes.get())

    with django_assert_num_queries(9):
        ask(anonymous)
