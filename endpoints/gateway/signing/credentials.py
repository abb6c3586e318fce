"""What a signer works with."""

from collections.abc import Mapping
from dataclasses import dataclass

from apikeys.sealing import Secrets
from endpoints.gateway.routing.destinations import Plan

from .errors import CannotSign


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key's secrets, opened for this one request, beside its plan."""

    owner: str  # names the key and its version: what is kept for one is not used for another
    plan: Plan
    secrets: Secrets

    @property
    def values(self) -> Mapping[str, str]:
        return {**self.plan.config, **self.secrets}

    def need(self, name: str) -> str:
        """Return a secret or setting that the signer cannot do without."""
        if value := self.secrets.get(name) or self.plan.config.get(name):
            return value
        raise CannotSign(f"This API key has no {name}, which its authentication method needs.")
