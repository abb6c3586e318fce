"""An origin has a role: what is sealed for the test's host is not for the API's."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.loading import load_catalogue
from apikeys.models import ApiKey, AuthScheme
from apikeys.sealing import CannotOpen, Role
from apikeys.services.credential_tests import secrets_to_test
from gatewayproject.accounts.actors import Actor
from tests import drafts
from tests.fakes import OPENAI_KEY

MakeKey = Callable[..., ApiKey]

pytestmark = pytest.mark.django_db

each_scheme = pytest.mark.parametrize(
    ("provider", "scheme"),
    [(entry["slug"], item["slug"]) for entry in load_catalogue() for item in entry["scheme"]],
)
# Those that are tested at another host than the one they are for, and say their own base URL.
TESTED_ELSEWHERE = ["github", "huggingface", "nvidia_nim"]


def fresh(api_key: ApiKey) -> ApiKey:
    return ApiKey.objects.with_details().get(pk=api_key.pk)


@each_scheme
def test_credentials_open_for_each_origin_in_its_own_role_alone(
    provider: str, scheme: str, make_key: MakeKey
) -> None:
    key = fresh(make_key("key", provider, scheme))
    origins = key.origins()

    for role in Role:
        for origin in {*origins.values(), "https://evil.example:443"}:
            if origins.get(role) == origin:
                key.current.open_for(key, towards={role: origin})
            else:
                with pytest.raises(CannotOpen, match=f"{origin} \\({role} origin\\)"):
                    key.current.open_for(key, towards={role: origin})


@pytest.mark.parametrize("provider", TESTED_ELSEWHERE)
def test_moving_a_key_to_the_host_of_its_test_takes_the_secret(
    provider: str, make_key: MakeKey, by: Actor
) -> None:
    key = fresh(make_key("key", provider))
    test_url = key.scheme.urls_for(key.config)[Role.TEST]
    assert urlsplit(test_url).hostname != urlsplit(key.config["api_base"]).hostname
    key.config = {**key.config, "api_base": f"https://{urlsplit(test_url).hostname}/v1"}

    assert drafts.draft_of(key).moves_elsewhere
    with pytest.raises(ValidationError) as refusal:
        drafts.save(key, by=by)

    assert set(refusal.value.message_dict) == {"api_key"}
    assert fresh(key).unreadable_because() == ""


@pytest.mark.parametrize("provider", TESTED_ELSEWHERE)
def test_a_moved_key_is_not_tested_with_what_is_stored(provider: str, make_key: MakeKey) -> None:
    key = fresh(make_key("key", provider))
    key.config = {**key.config, "api_base": key.origins()[Role.TEST]}

    assert secrets_to_test(drafts.draft_of(key)) == {}


@pytest.mark.parametrize("where", ["key", "scheme"])
@pytest.mark.parametrize("provider", TESTED_ELSEWHERE)
def test_an_address_moved_to_the_host_of_the_test_in_the_database_prevents_decryption(
    provider: str, where: str, make_key: MakeKey
) -> None:
    key = make_key("key", provider)
    origin = key.origins()[Role.TEST]
    if where == "key":
        ApiKey.objects.update(config={**key.config, "api_base": origin})
    else:
        transport = {**key.scheme.transport, "base_url": origin}
        AuthScheme.objects.filter(pk=key.scheme_id).update(transport=transport)

    assert f"not encrypted for {origin} (api origin)" in fresh(key).unreadable_because()


def test_an_edit_after_a_scheme_moved_to_the_host_of_its_test_requires_the_secret_again(
    make_key: MakeKey, by: Actor
) -> None:
    key = make_key("key", "openai_compatible", secrets={"api_key": OPENAI_KEY})
    scheme = AuthScheme.objects.get(pk=key.scheme_id)
    transport = {**scheme.transport, "base_url": "https://api.example.com"}
    AuthScheme.objects.filter(pk=scheme.pk).update(transport=transport)

    key = fresh(key)
    drafts.save(key, {"extra_headers": "X-Team: search"}, by=by)

    opened = fresh(key).current.open_for(key, towards={Role.API: "https://api.example.com:443"})
    assert opened == {"extra_headers": "X-Team: search"}


@pytest.mark.parametrize("role", [Role.TOKEN, Role.TEST])
def test_an_origin_added_to_a_declaration_requires_the_secret_again(
    make_key: MakeKey, role: Role
) -> None:
    key = make_key("m2m", "databricks", "oauth_m2m", secrets={"client_secret": OPENAI_KEY})
    scheme = AuthScheme.objects.get(pk=key.scheme_id)
    changes: dict[str, Any] = (
        {"transport": {**scheme.transport, "token": {"url": "https://evil.example/token"}}}
        if role == Role.TOKEN
        else {"verify": {"url": "https://evil.example/check"}}
    )
    AuthScheme.objects.filter(pk=scheme.pk).update(**changes)

    key = fresh(key)
    with pytest.raises(CannotOpen, match=r"evil\.example:443"):
        key.current.open_for(key, towards=key.origins())
