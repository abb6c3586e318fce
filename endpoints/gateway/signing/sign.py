"""Adds a credential to a request."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from apikeys.catalogue.clouds import cloud_of
from apikeys.catalogue.headers import EXTRA_HEADERS
from endpoints.gateway.upstream.client import Request, Upstream

from . import aws, google, oauth, oci
from .credentials import Credentials
from .errors import CannotSign
from .headers import credential_headers
from .tokens import Obtained, TokenCache

# Those that obtain an access token, which the scheme's headers then carry.
TOKENS: Mapping[str, Callable[[Upstream, Credentials], Awaitable[Obtained]]] = {
    "azure_imds": oauth.azure_identity,
    "google_default": google.default,
    "google_service_account": google.service_account,
    "ibm_iam": oauth.ibm_iam,
    "oauth2_client_credentials": oauth.client_credentials,
}
# Those that sign each request, over everything in it.
SIGNATURES: Mapping[
    str, Callable[[Request, Credentials, TokenCache], Awaitable[tuple[str, ...]]]
] = {
    "aws_sigv4": aws.sign,
    "oci_signature": oci.sign,
}


def _add(
    request: Request, templates: Mapping[str, str], credentials: Credentials, **obtained: str
) -> None:
    """Add the key's headers; its extra headers replace the client's."""
    headers = credential_headers(templates, credentials, **obtained)
    if EXTRA_HEADERS in credentials.secrets:
        names = {other for name, _ in headers for other in (name, name.replace("_", "-"))}
        request.headers[:] = [item for item in request.headers if item[0] not in names]
    request.headers += headers


class Signing:
    """Signs requests, and keeps what signers obtain."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._cache = TokenCache()

    async def sign(
        self,
        request: Request,
        templates: Mapping[str, str],
        credentials: Credentials,
        *,
        for_test: bool = False,
    ) -> tuple[str, ...]:
        """Add the headers of ``templates`` to ``request``, and a signature over everything.

        Returns what was obtained and is as secret as the key: no response may repeat it.
        Raises ``CannotSign``, and of that ``CredentialsRefused`` if the credentials are not valid.
        """
        signer = credentials.plan.signer
        if not signer:
            _add(request, templates, credentials)
            return ()
        cloud = cloud_of(signer, credentials.secrets)  # of this server's own identity
        if cloud is not None and not cloud.owns(request.url, for_test=for_test):
            raise CannotSign(cloud.refusal(request.url))
        if signer in SIGNATURES:
            _add(request, templates, credentials)
            return await SIGNATURES[signer](request, credentials, self._cache)
        obtain = partial(TOKENS[signer], self._upstream, credentials)
        token = await self._cache.get(credentials, obtain)
        _add(request, templates, credentials, access_token=token)
        return (token,)

    def renew(self, owner: str, began: float, ended: float, *, even_if_new: bool) -> bool:
        """Drop a token that a provider has refused; see ``TokenCache.renew``.

        ``sign`` used it between ``began`` and ``ended``, by ``time.monotonic``. Returns whether
        signing again uses another token.
        """
        return self._cache.renew(owner, began, ended, even_if_new=even_if_new)

    def forget(self, owner: str) -> None:
        """Drop what was obtained with credentials that a provider has refused."""
        self._cache.forget(owner)
