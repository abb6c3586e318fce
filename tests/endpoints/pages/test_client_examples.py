"""“Try it” and “Connect your app” on an endpoint's page."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apikeys.models import ApiKey, AuthScheme
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import text_of

NO_API = {"base_url": "https://api.example.com", "dialects": {}}


@pytest.fixture
def teammate(db: None) -> Client:
    """A browser of a user who can only read."""
    client = Client()
    client.force_login(User.objects.create_user("toni"))
    return client


@pytest.mark.parametrize(
    ("kind", "shown", "not_shown"),
    [
        ("openai", ["OpenAI SDK", "LiteLLM", "Codex"], ["Claude Code", "Gemini CLI"]),
        ("azure", ["OpenAI SDK", "Codex"], ["Claude Code"]),
        ("mistral", ["OpenAI SDK", "LangChain"], ["Codex"]),
        ("groq", ["OpenAI SDK", "Codex"], ["Claude Code"]),
        (
            "anthropic",
            ["Anthropic SDK", "Claude Code", "OpenAI SDK"],
            ["Google Gen AI SDK", "Codex"],
        ),
        (
            "gemini",
            ["Google Gen AI SDK", "Gemini CLI", "Vercel AI SDK"],
            ["Anthropic SDK", "Codex"],
        ),
        ("replicate", ["Raw provider API"], ["OpenAI SDK", "Anthropic SDK"]),
    ],
)
def test_the_snippets_are_those_that_the_provider_can_serve(
    kind: str,
    shown: list[str],
    not_shown: list[str],
    client: Client,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    make_endpoint("search", make_key("a-key", kind))

    page = client.get("/endpoints/search/").content.decode()

    assert all(f"<summary>{name}</summary>" in page for name in shown)
    assert not any(f"<summary>{name}</summary>" in page for name in not_shown)
    assert "http://testserver/gateway" in page


def test_codex_is_shown_where_every_route_can_serve_it(
    client: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    first = Route(api_key=make_key("ours", "openai"), model="gpt-5-mini")
    then = Route(api_key=make_key("theirs", "anthropic"), model="claude", kind="fallback")
    make_endpoint("search", routes=[first, then])

    page = client.get("/endpoints/search/").content.decode()

    assert "<summary>OpenAI SDK</summary>" in page
    assert "<summary>Codex</summary>" not in page


@pytest.mark.parametrize(
    ("kind", "path", "sends_json"),
    [
        ("openai", "/v1/models", False),
        ("gemini", "/v1beta/models?pageSize=1", False),
        ("groq", "/openai/v1/models", False),
        ("vertex_ai", "/publishers/google/models/m:generateContent", True),
        ("bedrock", "/model/m/converse", True),
        ("sagemaker", "/endpoints/m/invocations", True),
        ("databricks", "/serving-endpoints/chat/completions", True),
        ("watsonx", "/ml/v1/foundation_model_specs?version=2024-09-16", False),
    ],
)
def test_the_raw_snippet_has_a_path_of_the_provider(
    kind: str,
    path: str,
    sends_json: bool,
    client: Client,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    make_endpoint("search", make_key("a-key", kind), model="m")

    page = unescape(client.get("/endpoints/search/").content.decode())

    [raw] = re.findall(r'curl "http://testserver/gateway/search(.*?)</code>', page, re.DOTALL)
    assert raw.split('"')[0].endswith(path)
    assert ("-d '{" in raw) == sends_json


def test_the_raw_snippet_has_a_placeholder_where_no_path_is_known(
    client: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    key = make_key("a-key")
    AuthScheme.objects.filter(pk=key.scheme.pk).update(verify={}, transport=NO_API)
    make_endpoint("search", key)
    make_endpoint("no-key", None)

    for name in ("search", "no-key"):
        page = unescape(client.get(f"/endpoints/{name}/").content.decode())
        assert f'curl "http://testserver/gateway/{name}/PATH"' in page


@pytest.mark.parametrize(
    ("kind", "model", "shown"),
    [
        ("openai", "text-embedding-3-small", "v1/embeddings"),
        ("openai", "gpt-5-mini", "v1/chat/completions"),
        ("gemini", "gemini-embedding-001", "client.models.embed_content"),
        ("voyage", "voyage-3", "v1/embeddings"),
        ("anthropic", "claude-embed", "v1/embeddings"),
    ],
)
def test_an_embedding_model_is_called_for_embeddings(
    kind: str,
    model: str,
    shown: str,
    client: Client,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    make_endpoint("search", make_key("a-key", kind), model=model)

    page = client.get("/endpoints/search/").content.decode()

    assert shown in page
    assert ("data-embeds" in page) == (model != "gpt-5-mini")
    assert ("chat" in page.split("Connect your app")[1].split("</section>")[0]) == (
        model == "gpt-5-mini"
    )


def test_a_token_for_this_endpoint_is_one_click_away(
    client: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    make_endpoint("search", make_key())
    make_endpoint("other", make_key("other"))

    page = client.get("/endpoints/search/").content.decode()
    form = client.get("/tokens/new/?endpoints=search").content.decode()

    assert 'href="/tokens/new/?endpoints=search"' in page
    assert re.findall(r'value="(\w+)"[^>]* checked', form) == ["search"]


def test_trying_gives_the_page_a_token_for_this_endpoint_and_a_few_minutes(
    client: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    endpoint = make_endpoint("search", make_key())

    answer = client.post("/endpoints/search/try/")

    token = GatewayToken.objects.get()
    assert answer.json()["token"].startswith(token.prefix)
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert list(token.endpoints.all()) == [endpoint]
    assert token.expires_at is not None
    assert AuditEvent.objects.about(endpoint).first().act == "tried"
    assert not AuditEvent.objects.about(token).exists()
    assert "kim tried endpoint search" in text_of(client.get("/activity/"))


def test_who_may_not_change_an_endpoint_may_not_spend_its_money(
    teammate: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    make_endpoint("search", make_key())

    assert teammate.post("/endpoints/search/try/").status_code == 403
    page = teammate.get("/endpoints/search/").content.decode()
    assert "Connect your app" in page
    assert "Try it" not in page


def test_an_endpoint_without_a_key_cannot_be_tried(
    client: Client, make_endpoint: Callable[..., Endpoint]
) -> None:
    make_endpoint("search", None)

    assert "Try it" not in client.get("/endpoints/search/").content.decode()


def test_trying_an_endpoint_that_is_not_there_is_404(client: Client) -> None:
    assert client.post("/endpoints/nothing/try/").status_code == 404
