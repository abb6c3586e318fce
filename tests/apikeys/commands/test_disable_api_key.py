"""`disable_api_key` and `enable_api_key`: the switch on a terminal."""

import io

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey
from gatewayproject.accounts.models import AuditEvent
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


def is_enabled(key: ApiKey) -> bool:
    return ApiKey.objects.get(pk=key.pk).enabled


def test_a_key_is_disabled_and_enabled_by_its_name(key: ApiKey) -> None:
    assert run("disable_api_key", "MY-openai-key") == "Disabled my-openai-key.\n"
    assert not is_enabled(key)
    assert run("enable_api_key", "my-openai-key") == "Enabled my-openai-key.\n"
    assert is_enabled(key)
    latest = AuditEvent.objects.about(key)[:2]
    assert [(event.act, event.channel) for event in latest] == [
        ("enabled", "command"),
        ("disabled", "command"),
    ]


def test_what_depends_on_the_key_is_named_first(key: ApiKey, make_endpoint: MakeEndpoint) -> None:
    make_endpoint("small", key)

    with pytest.raises(CommandError, match=r"depend on my-openai-key: small\. Add --yes"):
        run("disable_api_key", "my-openai-key")
    assert is_enabled(key)

    output = run("disable_api_key", "my-openai-key", "--yes")
    assert "These endpoints depend on it: small." in output
    assert not is_enabled(key)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["disable_api_key", "no-such-key"], "No API key has this name"),
        (["enable_api_key", "my-openai-key"], "already enabled"),
    ],
)
@pytest.mark.usefixtures("key")
def test_what_cannot_be_done_is_refused(arguments: list[str], shown: str) -> None:
    with pytest.raises(CommandError, match=shown):
        run(*arguments)
