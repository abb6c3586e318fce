"""What ``clients.toml`` declares: the clients, their environments and what is checked of each."""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SCRIPTS = HERE / "clients"

# In the order of the table's columns. Errors need no function of their own in a client's script.
FEATURES = ("models", "retrieve", "chat", "stream", "tools", "embeddings")
ERRORS = ("wrong_token", "refused_key", "broken_stream")
BREAKABLE = ("openai", "anthropic", "google")  # APIs whose streams can end with an error


class Environment(NamedTuple):
    """What is installed together: packages of PyPI or of npm, each with its exact version.

    ``tool`` is a program that is taken as this machine has it.
    """

    name: str
    python: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    tool: str = ""

    @property
    def pins(self) -> dict[str, str]:
        """Return the version of each package."""
        pinned = [pin.rpartition("==") for pin in self.python]
        pinned += [pin.rpartition("@") for pin in self.npm]
        return {package.partition("[")[0]: version for package, _, version in pinned}


class Client(NamedTuple):
    """A client, the script that drives it, and the features that it has.

    ``gateway`` and ``provider`` are the paths of its base URLs. NAME in the former is the endpoint.
    Without the latter (None), no provider has this API.
    """

    name: str
    script: str
    environment: Environment
    package: str
    api: str
    features: tuple[str, ...]
    gateway: str = ""
    provider: str | None = None
    is_program: bool = False
    varies: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        # Java's client passes on lines, and knows of no errors in them.
        is_sdk = self.api in BREAKABLE and not self.environment.tool
        is_breakable = is_sdk and "stream" in self.features
        errors = ERRORS if is_breakable else ERRORS[:-1]
        return (*self.features, *errors)


@cache
def environments() -> dict[str, Environment]:
    declared = _declared()["environments"]
    return {
        name: Environment(
            name,
            tuple(facts.get("python", ())),
            tuple(facts.get("npm", ())),
            facts.get("tool", ""),
        )
        for name, facts in declared.items()
    }


@cache
def clients() -> tuple[Client, ...]:
    def client(facts: dict[str, str | list[str]]) -> Client:
        api = _declared()["apis"][facts["api"]]
        environment = environments()[facts["environment"]]
        return Client(**{**api, **facts, "environment": environment})

    return tuple(client(facts) for facts in _declared()["client"])


@cache
def _declared() -> dict:
    return tomllib.loads((HERE / "clients.toml").read_text())
