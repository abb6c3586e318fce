"""Access tokens for a client secret, an IBM Cloud API key, or a server's Azure identity."""

from base64 import b64encode
from urllib.parse import quote_plus, urlencode

from endpoints.gateway.upstream import addresses
from endpoints.gateway.upstream.client import Request, Upstream

from .credentials import Credentials
from .token_service import ask, post
from .tokens import Obtained

_NO_PARAMETERS = {"url", "client_auth"}  # not sent; all else that a scheme declares is


async def client_credentials(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: RFC 6749, section 4.4, and section 2.3.1 on where the client secret travels."""
    client_id, secret = credentials.need("client_id"), credentials.need("client_secret")
    form = {"grant_type": "client_credentials", **_parameters(credentials)}
    if credentials.plan.token.get("client_auth") == "basic":
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        basic = ("authorization", f"Basic {b64encode(pair.encode()).decode()}")
        return await ask(upstream, post(credentials, form, [basic]))
    form |= {"client_id": client_id, "client_secret": secret}
    return await ask(upstream, post(credentials, form))


async def ibm_iam(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: IBM Cloud IAM Identity Services API, "Create an IAM access token for an API key"."""
    form = {**_parameters(credentials), "apikey": credentials.need("api_key")}
    return await ask(upstream, post(credentials, form))


async def azure_identity(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: Microsoft Learn, "How to use managed identities on a VM to acquire a token"."""
    client_id = credentials.plan.config.get("client_id")
    query = {
        "api-version": "2018-02-01",
        **_parameters(credentials),
        **({"client_id": client_id} if client_id else {}),
    }
    url = f"{addresses.METADATA_SERVICE}/metadata/identity/oauth2/token?{urlencode(query)}"
    request = Request("GET", url, [("metadata", "true")], b"", asks_for_identity=True)
    return await ask(
        upstream, request, who="Azure's metadata service", what="a token for this identity"
    )


def _parameters(credentials: Credentials) -> dict[str, str]:
    """Return what the scheme declares: a scope, a resource, an audience, a grant type."""
    token = credentials.plan.token
    return {name: value for name, value in token.items() if value and name not in _NO_PARAMETERS}
