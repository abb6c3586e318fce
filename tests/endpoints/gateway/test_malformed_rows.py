"""Rows written without the models: the gateway reports an unreadable key."""

from typing import Any

import pytest

from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.sealing import Sealed
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider
from tests.apikeys.pages.test_malformed_rows import CONFIG, FIELDS, TRANSPORT, VERIFY

from .client import ask, chat


def test_a_key_with_malformed_columns_is_unreadable(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    key = ApiKey.objects.get()
    scheme, version = AuthScheme.objects.filter(pk=key.scheme_id), CredentialVersion.objects
    good = {"config": key.config, "transport": scheme.get().transport}
    sealed = version.get().sealed

    def answers() -> list[tuple[int, str]]:
        both = (chat(gateway, token), ask(gateway, "/search/models", token=token, method="GET"))
        return [(answer.status, answer.code) for answer in both]

    for value in filter(lambda value: value is not None, CONFIG):
        ApiKey.objects.update(config=value)
        assert answers() == [(424, "key_unreadable")] * 2, value
    ApiKey.objects.update(config=good["config"])
    for value in filter(lambda value: value is not None, TRANSPORT):
        scheme.update(transport=value)
        assert answers() == [(424, "key_unreadable")] * 2, value
    scheme.update(transport=good["transport"])
    for token_bytes in (b"", b"junk", b"\xff\x00", sealed.token + b"AAAA"):
        version.update(sealed=Sealed(token_bytes))
        assert answers() == [(424, "key_unreadable")] * 2, token_bytes
    assert not provider.requests

    version.update(sealed=sealed)
    assert chat(gateway, token).status == 200


@pytest.mark.parametrize("column", ["fields", "verify"])
def test_what_the_gateway_does_not_read_keeps_it_from_nothing(
    gateway: str, token: str, endpoint: Endpoint, column: str
) -> None:
    values: list[Any] = FIELDS if column == "fields" else VERIFY
    for value in filter(lambda value: value is not None, values):
        AuthScheme.objects.filter(pk=ApiKey.objects.get().scheme_id).update(**{column: value})
        assert chat(gateway, token).status == 200
