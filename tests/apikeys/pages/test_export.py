"""API keys as a CSV file."""

import csv
import io

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import ApiKey, AuthScheme
from apikeys.services.export import BATCH, HEADINGS
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


def table_of(response: StreamingHttpResponse) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_it_has_everything_but_the_credentials(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    secret = "sk-made-up-0123456789-abcd"
    key = make_key("my-openai-key", secrets={"api_key": secret})
    moment = timezone.now()
    ApiKey.objects.filter(pk=key.pk).update(
        team="Sücheß", description="Line 1\nLine 2", expires_at=moment, enabled=False,
        rotate_every_days=90, expiry_notice_days=7,
    )  # fmt: skip
    make_endpoint("search", key)

    response = client.get("/api-keys/export/")

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="api-keys-{timezone.localdate()}.csv"'
    )
    assert "no-store" in response.headers["Cache-Control"]
    content = b"".join(response.streaming_content)
    assert content.startswith(b"\xef\xbb\xbfName,Provider,")
    assert secret.encode() not in content
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert tuple(row) == HEADINGS
    assert row["Name"] == "my-openai-key"
    assert row["Provider"] == "OpenAI"
    assert row["Authentication method"] == "API key"
    assert row["Environment"] == "Production"
    assert row["Team"] == "Sücheß"
    assert row["Description"] == "Line 1\nLine 2"
    assert row["Hint"] == "…abcd"
    assert row["Status"] == "Expired, Disabled"
    assert row["Enabled"] == "no"
    assert row["Created by"] == "kim"
    assert row["Expires"].startswith(f"{moment:%Y-%m-%dT%H:%M:%S}")
    assert row["Last used"] == ""
    assert row["Endpoints"] == "1"
    assert row["Expiry notice, days"] == "7"
    assert row["Rotation reminder, days"] == "90"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"]
)
def test_nothing_is_taken_for_a_formula(client: Client, make_key: MakeKey, text: str) -> None:
    key = make_key("key")
    columns = ("team", "description", "created_by")
    ApiKey.objects.filter(pk=key.pk).update(**dict.fromkeys(columns, text), name=text)

    (row,) = table_of(client.get("/api-keys/export/"))

    for heading in ("Name", "Team", "Description", "Created by"):
        assert row[heading] == f"'{text}"


def test_no_cell_of_another_locale_is_taken_for_a_formula(
    client: Client, make_key: MakeKey
) -> None:
    """Where a comma is the decimal mark, spreadsheets separate cells at semicolons."""
    make_key("key;=1+1", team="a; @SUM(A1)|-1", description="Kim; see wiki; x-y")

    (row,) = table_of(client.get("/api-keys/export/"))

    assert row["Name"] == "key;'=1+1"
    assert row["Team"] == "a;' @SUM(A1)|'-1"
    assert row["Description"] == "Kim; see wiki; x-y"


def test_it_has_what_the_filters_find_by_name(client: Client, make_key: MakeKey) -> None:
    for name in ("b-key", "a-key", "other"):
        make_key(name)

    rows = table_of(client.get("/api-keys/export/?q=key&sort=-name&page=7"))

    assert [row["Name"] for row in rows] == ["a-key", "b-key"]
    assert table_of(client.get("/api-keys/export/?environment=moon")) == []


def test_it_has_the_selected_keys(client: Client, make_key: MakeKey) -> None:
    first, _, third = (make_key(name) for name in ("key-1", "key-2", "key-3"))

    rows = table_of(client.get(f"/api-keys/export/?list=&key={third.pk}&key={first.pk}&key=x"))

    assert [row["Name"] for row in rows] == ["key-1", "key-3"]
    assert len(table_of(client.get(f"/api-keys/export/?list=q%3D-2&all=1&key={first.pk}"))) == 1
    assert table_of(client.get("/api-keys/export/?list=q%3Dkey")) == []


def test_the_list_links_to_it_with_its_filters(client: Client, make_key: MakeKey) -> None:
    make_key("key")

    html = client.get("/api-keys/?q=ke&environment=production").content.decode()

    assert 'href="/api-keys/export/?q=ke&amp;environment=production"' in html


def test_it_is_read_in_batches_of_two_queries(client: Client, openai: AuthScheme) -> None:
    names = [f"key-{number:05}" for number in range(2 * BATCH + 1)]
    ApiKey.objects.bulk_create(ApiKey(name=name, name_key=name, scheme=openai) for name in names)

    with CaptureQueriesContext(connection) as queries:
        response = client.get("/api-keys/export/")
        before = len(queries)
        parts = response.streaming_content
        next(parts), next(parts)
        assert len(queries) == before + 2  # the second batch is not read yet
        rest = b"".join(parts).decode()

    assert rest.splitlines()[-1].startswith(names[-1])
    assert len(queries) == before + 7


def test_head_reads_nothing_and_post_is_refused(client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = client.head("/api-keys/export/")
        list(response.streaming_content)

    assert response.status_code == 200
    assert not [query for query in queries if "apikeys_apikey" in query["sql"]]
    assert client.post("/api-keys/export/").status_code == 405


def test_anybody_who_is_signed_in_may_export(
    visitor: Client, anonymous: Client, make_key: MakeKey
) -> None:
    make_key("key")

    assert len(table_of(visitor.get("/api-keys/export/"))) == 1
    assert anonymous.get("/api-keys/export/").status_code == 302
