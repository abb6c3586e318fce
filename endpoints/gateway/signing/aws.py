"""AWS Signature Version 4, with access keys, an assumed role or this server's own credentials.

Source: AWS, "Signature Version 4 for API requests", "Create a signed AWS API request".
"""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

from endpoints.gateway.upstream.client import Request

from .credentials import Credentials
from .errors import CannotSign, CredentialsRefused, TokenServiceUnavailable
from .libraries import in_thread, optional
from .tokens import Obtained, TokenCache

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

SERVERS_OWN = 300  # seconds; botocore hands none out with less than five minutes left
INLINE = 256 * 1024  # bytes: a longer body is hashed in a thread, so that no other request waits
_ADDED = ("authorization", "x-amz-date", "x-amz-security-token")


async def sign(request: Request, credentials: Credentials, cache: TokenCache) -> tuple[str, ...]:
    """Add the signature. Returns what is secret of it."""
    keys = await _keys(credentials, cache)
    with optional("botocore"):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
    request.url = _as_aws_spells(request.url)
    body = request.whole_body()
    signed = AWSRequest(request.method, request.url, data=body)
    for name, value in request.headers:
        if name in ("content-type", "host") or name.startswith("x-amz"):
            signed.headers[name] = value
    service = credentials.plan.token.get("service", "bedrock")
    add = SigV4Auth(keys, service, credentials.need("aws_region_name")).add_auth
    if len(body) > INLINE:
        await in_thread(add, signed)
    else:
        add(signed)
    request.headers += [(name, signed.headers[name]) for name in _ADDED if name in signed.headers]
    return tuple(value for value in (keys.access_key, keys.token) if value)


def _as_aws_spells(url: str) -> str:
    """Escape all but the unreserved characters, as AWS's own SDKs do before they sign.

    The canonical request escapes the path once more; services differ in whether they do that to
    what arrived or to what it means, and for this spelling both come to the same.
    """
    parts = urlsplit(url)
    path = "/".join(quote(unquote_to_bytes(part), safe="") for part in parts.path.split("/"))
    pairs = parse_qsl(parts.query, keep_blank_values=True, encoding="latin-1")
    query = urlencode(pairs, quote_via=quote, encoding="latin-1")
    return parts._replace(path=path, query=query).geturl()


async def _keys(credentials: Credentials, cache: TokenCache) -> "ReadOnlyCredentials":
    """Return what to sign with. A key that stores none uses this server's own credentials."""
    with optional("botocore"):
        from botocore.credentials import ReadOnlyCredentials
    own = None
    if any(name.startswith("aws_") for name in credentials.secrets):
        own = ReadOnlyCredentials(
            credentials.need("aws_access_key_id"),
            credentials.need("aws_secret_access_key"),
            credentials.secrets.get("aws_session_token"),
        )
    if own and not credentials.plan.config.get("aws_role_name"):
        return own
    obtain = partial(in_thread, _obtain, own, credentials.plan.config)
    return await cache.get(credentials, obtain)


def _obtain(own: "ReadOnlyCredentials | None", config: dict[str, str]) -> Obtained:
    """Assume the role of ``config``, or find this server's credentials. Blocks."""
    with optional("botocore"):
        from botocore import exceptions
        from botocore.parsers import ResponseParserError
    try:
        return _assume(own, config) if config.get("aws_role_name") else _servers_own()
    except exceptions.ClientError as error:
        raise _refusal(error.response) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise CannotSign("This server has no AWS credentials of its own.") from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError):
        raise TokenServiceUnavailable(
            "Could not reach AWS's token service (STS). Try again."
        ) from None
    except (exceptions.BotoCoreError, ResponseParserError, LookupError, ValueError) as error:
        raise CannotSign(f"AWS issued no credentials ({type(error).__name__}).") from None


def _assume(own: "ReadOnlyCredentials | None", config: dict[str, str]) -> Obtained:
    """Source: AWS Security Token Service API Reference, AssumeRole."""
    from botocore.config import Config
    from botocore.session import get_session

    sts = get_session().create_client(
        "sts",
        region_name=config["aws_region_name"],
        aws_access_key_id=own and own.access_key,
        aws_secret_access_key=own and own.secret_key,
        aws_session_token=own and own.token,
        config=Config(
            connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}, proxies={}
        ),
    )
    external_id = config.get("aws_external_id")
    issued = sts.assume_role(
        RoleArn=config["aws_role_name"],
        RoleSessionName=config.get("aws_session_name") or "gatehouse",
        **({"ExternalId": external_id} if external_id else {}),
    )["Credentials"]
    left = (issued["Expiration"] - datetime.now(UTC)).total_seconds()
    return _obtained(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], left)


def _servers_own() -> Obtained:
    """Source: botocore's documentation, "Credentials": the environment, files, the instance."""
    from botocore.exceptions import NoCredentialsError
    from botocore.session import get_session

    found = get_session().get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    return _obtained(frozen.access_key, frozen.secret_key, frozen.token, SERVERS_OWN)


def _obtained(access_key: str, secret_key: str, token: str | None, seconds: float) -> Obtained:
    from botocore.credentials import ReadOnlyCredentials

    return Obtained(ReadOnlyCredentials(access_key, secret_key, token), max(0, seconds))


def _refusal(response: dict[str, Any]) -> CannotSign:
    """STS returns 403 for invalid credentials, and 400 also above its rate limit."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    throttled = "Throttl" in response.get("Error", {}).get("Code", "")
    if status in (400, 401, 403) and not throttled:
        return CredentialsRefused(
            f"AWS's token service (STS) refused to assume the role ({status}).", status
        )
    return TokenServiceUnavailable(f"AWS's token service (STS) returned {status}. Try again.")
