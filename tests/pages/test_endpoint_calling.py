"""“Try it” and “Use it” on an endpoint's page."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apikeys.models import ApiKey, Event
from endpoints.models import Endpoint, GatewayToken, Route


@pytest.fixture
def teammate(db: None) -> Client:
    """A browser of somebody who may look and nothing else."""
    client = Client()
    client.force_login(User.objects.create_user("toni"))
    return client


@pytest.mark.parametrize(
    ("kind", "shown", "not_shown"),
    [
        ("openai", ["OpenAI SDK", "LangChain", "Codex"], ["Claude Code", "Google Gen AI SDK"]),
        ("azure", ["OpenAI SDK", "Codex"], ["Claude Code"]),
        ("groq", ["OpenAI SDK", "LangChain"], ["Codex"]),
        (
            "anthropic",
            ["Anthropic SDK", "Claude Code", "OpenAI SDK"],
            ["Google Gen AI SDK", "Codex"],
        ),
        ("gemini", ["Google Gen AI SDK", "OpenAI SDK"], ["Anthropic SDK", "Codex"]),
        ("replicate", ["Any path of the provider"], ["OpenAI SDK", "Anthropic SDK"]),
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
    assert Event.objects.about(token).get().act == "created"


def test_who_may_not_change_an_endpoint_may_not_spend_its_money(
    teammate: Client, make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    make_endpoint("search", make_key())

    assert teammate.post("/endpoints/search/try/").status_code == 403
    page = teammate.get("/endpoints/search/").content.decode()
    assert "Use it" in page
    assert "Try it" not in page


def test_an_endpoint_without_a_key_cannot_be_tried(
    client: Client, make_endpoint: Callable[..., Endpoint]
) -> None:
    make_endpoint("search", None)

    assert "Try it" not in client.get("/endpoints/search/").content.decode()


def test_trying_an_endpoint_that_is_not_there_is_404(client: Client) -> None:
    assert client.post("/endpoints/nothing/try/").status_code == 404
