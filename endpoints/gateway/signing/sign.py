"""Puts a credential on a request."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from endpoints.gateway.upstream import Request, Upstream

from . import aws, google, oauth, oci
from .credentials import Credentials
from .headers import credential_headers
from .tokens import Kept, Obtained

# Those that obtain an access token, which the scheme's headers then carry.
TOKENS: Mapping[str, Callable[[Upstream, Credentials], Awaitable[Obtained]]] = {
    "azure_imds": oauth.azure_identity,
    "google_default": google.default,
    "google_service_account": google.service_account,
    "ibm_iam": oauth.ibm_iam,
    "oauth2_client_credentials": oauth.client_credentials,
}
# Those that sign each request, over all that is said in it.
SIGNATURES: Mapping[str, Callable[[Request, Credentials, Kept], Awaitable[tuple[str, ...]]]] = {
    "aws_sigv4": aws.sign,
    "oci_signature": oci.sign,
}


def _add(request: Request, headers: list[tuple[str, str]], values: Mapping[str, str]) -> None:
    """Add the key's headers; those that it has of its own take the place of the caller's."""
    if "extra_headers" in values:
        names = {name for name, _ in headers}
        request.headers[:] = [item for item in request.headers if item[0] not in names]
    request.headers += headers


class Signing:
    """Signs requests, and keeps what signers obtain."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept = Kept()

    async def sign(
        self, request: Request, templates: Mapping[str, str], credentials: Credentials
    ) -> tuple[str, ...]:
        """Add the headers of ``templates`` to ``request``, and a signature over everything.

        Returns what was obtained and is as secret as the key: no caller may see it in an answer.
        Raises ``CannotSign``, and of that ``Refused`` where the credentials are no good.
        """
        signer, values = credentials.plan.signer, credentials.values
        if not signer:
            _add(request, credential_headers(templates, values), values)
            return ()
        if signer in SIGNATURES:
            _add(request, credential_headers(templates, values), values)
            return await SIGNATURES[signer](request, credentials, self._kept)
        obtain = partial(TOKENS[signer], self._upstream, credentials)
        token = await self._kept.get(credentials, obtain)
        _add(request, credential_headers(templates, {**values, "access_token": token}), values)
        return (token,)

    def forget(self, owner: str) -> None:
        """Drop what was obtained with credentials that a provider has refused."""
        self._kept.forget(owner)
