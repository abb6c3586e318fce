"""The request that tests credentials, and where it goes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode, urlsplit

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.origins import is_private_host, origin_of
from apikeys.catalogue.transport import fill
from apikeys.catalogue.verification import Verification
from apikeys.models import ApiKey, AuthScheme, Provider
from apikeys.sealing import Secrets
from endpoints.gateway.routing.destinations import Plan, make_plan
from endpoints.gateway.signing.sign import TOKENS
from endpoints.gateway.upstream.client import OWN_HEADERS, Request

WRONG = "gatehouse-asks-whether-a-wrong-key-is-refused"


@dataclass(frozen=True)
class Probe:
    """A call that may prove credentials, and the words for its messages."""

    verification: Verification
    plan: Plan
    url: str
    provider: str
    what: str  # what is tested: "this key"
    where: str  # what to look at if the address is wrong
    is_own: bool  # whether the provider is asked at an address that is known to be its own
    knows_its_keys: bool  # whether keys of the provider are accepted there

    @classmethod
    def about(cls, api_key: ApiKey) -> Self:
        """Raises ``ValidationError`` or ``ValueError`` if the declaration is malformed."""
        scheme = api_key.scheme
        verification = Verification.parse(scheme.verify)
        plan = make_plan(scheme.transport, api_key.config)
        service = {"service": verification.service} if verification.service else {}
        url = fill(verification.url, {**plan.config, "base_url": plan.base_url})
        obtains = verification.kind == "token_exchange"
        is_own = _is_own(plan.token.get("url", "") if obtains else url, api_key)
        urls = [spec.label for spec in scheme.config_specs if spec.kind == "url"]
        same = obtains or not url or origin_of(url) == plan.origin
        return cls(
            verification=verification,
            plan=replace(plan, token={**plan.token, **service}, origins=api_key.origins()),
            url=url,
            provider=scheme.provider.name,
            what=_what(scheme),
            where=f"Check the {urls[0]}." if urls else "Check its settings.",
            is_own=is_own,
            knows_its_keys=same or _is_own(plan.base_url, api_key),
        )

    @property
    def host(self) -> str:
        return urlsplit(self.url or self.plan.base_url).hostname or ""

    @property
    def is_at_api(self) -> bool:
        """Whether the call goes to the API, and not to a token service or another host."""
        is_call = self.verification.kind == "call"
        return is_call and origin_of(self.url) == self.plan.origin

    @property
    def who(self) -> str:
        """Who responds: the provider by its name only if it is known to be the provider."""
        return self.provider if self.is_own else self.host

    @property
    def header_templates(self) -> Mapping[str, str]:
        return {} if self.verification.body_form else self.plan.headers

    def uncheckable_because(self) -> str:
        """Return why no call is made, or ``""`` if one is."""
        verification = self.verification
        if not verification.url and verification.kind == "call":
            return f"{self.provider} has no free call that verifies credentials."
        if verification.spends_tokens:
            return f"the only call of {self.provider} that verifies credentials costs tokens."
        if verification.kind == "token_exchange" and self.plan.signer not in TOKENS:
            return "its authentication method does not use a token."
        if not self.knows_its_keys:
            return f"{self.host} accepts only keys of {self.provider} itself."
        return ""

    def request(self, secrets: Secrets) -> Request:
        """Return the call, all but the credential's headers."""
        asked = self.verification
        if asked.body_form:
            values = {**self.plan.config, **secrets}
            form = {name: fill(text, values) for name, text in asked.body_form.items()}
            kind, body = "application/x-www-form-urlencoded", urlencode(form).encode()
        elif asked.body_json:
            kind, body = "application/json", json.dumps(asked.body_json).encode()
        else:
            return Request(asked.method, self._url, list(OWN_HEADERS), b"")
        return Request(asked.method, self._url, [("content-type", kind), *OWN_HEADERS], body)

    @property
    def _url(self) -> str:
        """Where the credential goes. If obtaining a token is the test, nothing is sent there."""
        return self.plan.base_url if self.verification.kind == "token_exchange" else self.url


def wrong(secrets: Secrets) -> Secrets:
    """Return invalid credentials in place of ``secrets``."""
    return Secrets({name: WRONG for name in secrets if name != "extra_headers"})


def _is_own(url: str, api_key: ApiKey) -> bool:
    """Whether ``url`` is at an address known to be the provider's, not one that a user entered."""
    if not url:
        return True
    typed = (
        (spec, value)
        for spec in api_key.scheme.config_specs
        if spec.format == "https_url" and (value := api_key.settings.get(spec.name))
    )
    return all(
        _is_known(value, spec, api_key.provider)
        for spec, value in typed
        if origin_of(value) == origin_of(url)
    )


def _is_known(url: str, spec: FieldSpec, provider: Provider) -> bool:
    if is_private_host(urlsplit(url).hostname or ""):
        return False
    if spec.pattern and re.fullmatch(spec.pattern, url, re.ASCII):
        return True
    known = [spec.default, *(other["url"] for other in provider.other_hosts())]
    return origin_of(url) in {origin_of(address) for address in known if address}


def _what(scheme: AuthScheme) -> str:
    """Name what is tested."""
    if scheme.ambient:
        return "this server’s identity"
    required = [spec for spec in scheme.secret_specs if spec.required] or scheme.secret_specs
    word = required[0].label.rpartition(" ")[2].lower() if len(required) == 1 else ""
    return f"this {word}" if word in ("key", "token") else "these credentials"
