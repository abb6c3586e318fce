"""The part of the pages that tells what went through the gateway."""

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey
from endpoints.models import GatewayToken, Route
from tests.browsing import html_of, text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.usage import use

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


@pytest.fixture
def route(key: ApiKey, make_endpoint: MakeEndpoint) -> Route:
    return make_endpoint("search", key, model="gpt-5").routes.get()


@pytest.fixture
def token(make_token: MakeToken) -> GatewayToken:
    return make_token("search-service")


@pytest.fixture
def pages(key: ApiKey, route: Route, token: GatewayToken) -> list[str]:
    """The pages that tell of usage."""
    return [f"/api-keys/{key.pk}/", "/endpoints/search/", f"/tokens/{token.pk}/"]


def usage_in(client: Client, url: str) -> str:
    html = html_of(client.get(url))
    return html[html.index('id="usage"') : html.index("</section>", html.index('id="usage"'))]


def charts_in(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg viewBox.*?</svg>", html, re.S)]  # noqa: S314 - our own


def heights(chart: ElementTree.Element, kind: str) -> list[float]:
    bars = chart.iter("rect")
    return [float(bar.get("height", 0)) for bar in bars if kind in bar.get("class", "").split()]


def test_each_page_shows_how_to_use_what_was_not_used_yet(client: Client, pages: list[str]) -> None:
    of_key, of_endpoint, of_token = (text_of(usage_in(client, page)) for page in pages)

    assert "Not used yet." in of_key
    assert 'http://testserver/gateway/v1/chat/completions with "model": "search"' in of_endpoint
    assert "Authorization: Bearer … to http://testserver/gateway/v1/" in of_token


def test_each_page_shows_its_usage(
    client: Client, pages: list[str], route: Route, token: GatewayToken
) -> None:
    use(
        route, token, requests=200, rate_limited=4, refused=1, canceled=2,
        input_tokens=1_000_000, output_tokens=200_000, cached_tokens=400_000,
    )  # fmt: skip

    for page in pages:
        output = text_of(usage_in(client, page))
        assert "last used just now" in output
        assert "Requests 200 2 canceled by clients" in output
        assert "Errors 2.5% 4 rate limited 1 key refused" in output
        assert "Latency, p50 ≈ 600 ms p95 ≈ 780 ms p99 ≈ 800 ms" in output
        assert "Tokens 1.2M 1M input, 400k of it cached 200k output" in output
        assert "Cost ≈ $2.80 at list prices" in output


def test_it_says_where_costs_come_from(client: Client, route: Route) -> None:
    use(route, input_tokens=10)

    output = text_of(usage_in(client, "/endpoints/search/"))

    assert "≈ estimate." in output
    assert "Cost at public list prices." in output


def test_a_cost_that_is_known_in_part_is_the_least(client: Client, route: Route) -> None:
    use(route, input_tokens=1_000_000)
    use(route, model="our-fine-tune", input_tokens=1_000_000)

    output = text_of(usage_in(client, "/endpoints/search/"))

    assert "Cost ≥ $1.25 at least price unknown: our-fine-tune" in output
    assert "our-fine-tune OpenAI 1 0 1M 0 unknown" in output


def test_a_cost_that_is_not_known_is_no_figure(client: Client, route: Route) -> None:
    use(route, model="one", input_tokens=9)
    use(route, model="two", input_tokens=8)

    output = text_of(usage_in(client, "/endpoints/search/"))

    assert "Cost Unknown price unknown: one and 1 more" in output
    assert "$" not in output


def test_the_span_is_chosen_by_a_link(client: Client, route: Route) -> None:
    use(route, ago=3 * DAY, requests=5)

    today = usage_in(client, "/endpoints/search/")
    month = usage_in(client, "/endpoints/search/?usage=30d")

    assert "No requests in the last 24 hours." in text_of(today)
    assert 'href="?usage=30d#usage"' in today
    assert "Requests 5" in text_of(month)
    assert re.search(r'usage=30d#usage" aria-current="true"', month)


@pytest.mark.parametrize("span", ["", "1y", "24h&usage=", "%00", "<script>"])
def test_a_span_that_there_is_not_is_the_last_day(client: Client, route: Route, span: str) -> None:
    use(route)

    response = client.get(f"/endpoints/search/?usage={span}")

    assertContains(response, 'href="?usage=24h#usage" aria-current="true"')
    assertNotContains(response, "<script>")


def test_a_range_is_chosen_by_a_form_that_works_without_javascript(
    client: Client, route: Route, token: GatewayToken
) -> None:
    use(route, token, ago=3 * DAY, requests=5)
    day = (timezone.localtime() - 3 * DAY).date()

    page = usage_in(client, f"/api-keys/{route.api_key.pk}/?usage=custom&from={day}&to={day}")

    assert f'name="from" value="{day}"' in page
    assert "Requests 5" in text_of(page)
    assert re.search(r'href="/tokens/\d+/"><bdi>search-service</bdi>', page)
    assert re.search(r'href="/endpoints/search/"><bdi>search</bdi>', page)


@pytest.mark.parametrize(
    ("query", "output"),
    [
        ("from=2026-02-30&to=2026-03-01", "Enter a valid date."),
        ("from=2026-03-01", "This field is required."),
        ("from=2026-03-02&to=2026-03-01", "Choose a first day on or before the last day."),
        ("from=2020-03-02&to=2026-03-01", "Choose at most 366 days."),
        ("from=%00&to=<script>", "Enter a valid date."),
        ("from=2126-03-02&to=2126-03-01", "Choose a first day on or before the last day."),
        ("from=0001-01-01&to=9999-12-31", "Choose at most 366 days."),
    ],
)
def test_a_range_that_makes_no_sense_says_why(
    client: Client, route: Route, query: str, output: str
) -> None:
    use(route, requests=7)

    page = usage_in(client, f"/endpoints/search/?usage=custom&{query}")

    assert output in text_of(page)
    assert "Requests 7" in text_of(page)  # of the last 24 hours
    assert "<script>" not in page


@pytest.mark.parametrize(
    "query", ["from=0001-01-01&to=0001-01-02", "from=1970-01-01&to=1970-01-02"]
)
def test_a_range_of_long_ago_is_empty(client: Client, route: Route, query: str) -> None:
    use(route)

    page = text_of(usage_in(client, f"/endpoints/search/?usage=custom&{query}"))

    assert "No requests from Jan 1, " in page


def test_a_split_shows_the_ten_largest_and_all_on_demand(
    client: Client, route: Route, make_token: MakeToken
) -> None:
    for number in range(13):
        use(route, make_token(f"app-{number:02}"), requests=20 - number)

    short = usage_in(client, "/endpoints/search/?usage=7d")
    whole = usage_in(client, "/endpoints/search/?usage=7d&shares=all")

    assert "app-09" in short
    assert "app-10" not in short
    assert "3 others 27 0 0 0" in text_of(short)
    assert 'href="?usage=7d&amp;shares=all#usage"' in short
    assert "app-12" in whole
    assert "others" not in whole


def test_charts_have_a_bar_for_each_hour_and_failures_on_top(client: Client, route: Route) -> None:
    use(route, requests=6, provider_errors=2, input_tokens=300, output_tokens=100)
    use(route, ago=HOUR, requests=2)

    requests, tokens = charts_in(usage_in(client, "/endpoints/search/"))

    assert len(heights(requests, "place")) == 24
    running = [group for group in requests.iter("g") if group.get("class") == "running"]
    assert len(running) == 1
    assert ", so far: 6 requests, 2 failed" in running[0].find("title").text
    assert heights(requests, "lower") == [pytest.approx(33.33), pytest.approx(66.67)]
    assert heights(requests, "upper") == [pytest.approx(33.33)]
    assert heights(tokens, "lower") == [75]
    assert heights(tokens, "upper") == [25]


def test_one_failure_among_thousands_can_be_seen(client: Client, route: Route) -> None:
    use(route, requests=10_000, unreachable=1)

    requests, _ = charts_in(usage_in(client, "/endpoints/search/"))

    (failed,) = heights(requests, "upper")
    assert failed >= 1
    assert failed + heights(requests, "lower")[0] <= 100


def test_charts_of_failures_alone_are_charts(client: Client, route: Route) -> None:
    use(route, requests=3, unreachable=3)

    requests, tokens = charts_in(usage_in(client, "/endpoints/search/"))

    assert heights(requests, "lower") == heights(tokens, "lower") == heights(tokens, "upper") == []
    assert len(heights(requests, "upper")) == 1


def test_a_chart_has_a_description_in_words(client: Client, route: Route) -> None:
    use(route, requests=1_200, provider_errors=2, input_tokens=5_000, output_tokens=1_000)

    requests, tokens = charts_in(usage_in(client, "/endpoints/search/?usage=30d"))

    for chart in (requests, tokens):
        assert chart.get("role") == "img"
        ids = [chart.find("title").get("id"), chart.find("desc").get("id")]
        assert chart.get("aria-labelledby").split() == ids
    output = requests.find("desc").text
    assert output.startswith("1,200 requests, 2 failed in the last 30 days. Most in one day: 1,200")
    assert "5,000 tokens in, 1,000 out" in tokens.find("desc").text


def test_the_numbers_of_a_chart_are_also_a_table(client: Client, route: Route) -> None:
    use(route, requests=7, rate_limited=1, input_tokens=300, output_tokens=40)

    table = usage_in(client, "/endpoints/search/?usage=30d").split("<details")[-1]

    assert "By day" in table
    assert table.count('<th scope="row">') == 30
    assert re.search(r"\w{3} \d+ 7 1 300 40 ", text_of(table))


def test_usage_holds_nothing_that_the_policy_forbids(client: Client, route: Route) -> None:
    use(route, model='<script>"x"</script>', requests=7, input_tokens=300)

    page = html_of(client.get("/endpoints/search/"))

    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", page)
    assert "&lt;script&gt;&quot;x&quot;&lt;/script&gt;" in page


def test_a_user_who_may_only_look_sees_usage(
    visitor: Client, pages: list[str], route: Route, token: GatewayToken
) -> None:
    use(route, token, requests=7)

    for page in pages:
        assert "Requests 7" in text_of(usage_in(visitor, page))
