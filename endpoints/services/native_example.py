"""An example of a request to a provider's own API, for the key and model of one route."""

import json
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from django.core.exceptions import ValidationError

from apikeys.catalogue.transport import fill
from apikeys.catalogue.verification import Verification
from apikeys.sealing import Role
from endpoints.models import Route

from .provider_facts import provider_facts
from .routes import embeds


class NativeExample(NamedTuple):
    """A path with its query, and the JSON to send there; a GET if there is none."""

    path: str
    body: str = ""


UNKNOWN = NativeExample("/PATH")


def native_example(route: Route | None) -> NativeExample:
    """Return the declared example, or what tests a key, or a chat, or else ``UNKNOWN``."""
    if route is None or route.api_key is None:
        return UNKNOWN
    key = route.api_key
    scheme, config = key.scheme, key.config
    if declared := provider_facts(scheme.provider.slug).example:
        path = fill(declared.path, {**config, "model": quote(route.model, safe="")})
        values = {name: _in_json(value) for name, value in {**config, "model": route.model}.items()}
        return NativeExample(path, fill(declared.body, values))
    try:
        urls = scheme.urls_for(config, Role.API, Role.TEST)
    except ValidationError:
        return UNKNOWN
    api, test = urls[Role.API], urls.get(Role.TEST, "")
    verification = Verification.parse(scheme.verify)
    if verification.method == "GET" and test.startswith(f"{api}/"):
        return NativeExample(urlsplit(test)._replace(scheme="", netloc="").geturl())
    if scheme.route is None or "openai" not in scheme.route.dialects:
        return UNKNOWN
    base_url = fill(scheme.route.dialects["openai"].base_url, {**config, "base_url": api})
    body: dict[str, Any] = {"model": route.model}
    if embeds([route]):
        operation, body["input"] = "embeddings", "Hello"
    else:
        operation, body["messages"] = "chat/completions", [{"role": "user", "content": "Hello"}]
    return NativeExample(f"{urlsplit(base_url).path}/{operation}", json.dumps(body))


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]
