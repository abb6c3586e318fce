"""Oracle Cloud's request signature, version 1.

Source: Oracle Cloud Infrastructure Documentation, "Request Signatures", which follows
draft-cavage-http-signatures-08.
"""

import hashlib
from base64 import b64encode
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apikeys.catalogue.origins import DEFAULT_PORTS
from endpoints.gateway.upstream.client import Request

from .credentials import Credentials
from .rsa import read_key
from .tokens import Obtained, TokenCache

if TYPE_CHECKING:
    from google.auth.crypt import RSASigner

KEY_SECONDS = 3600  # that a parsed private key is kept; rsa.py says how long parsing takes
_OURS = {"date", "x-date", "x-content-sha256"}
_WITH_BODY = {"POST", "PUT", "PATCH"}


async def sign(request: Request, credentials: Credentials, cache: TokenCache) -> tuple[str, ...]:
    """Add the signature, no part of which is secret."""
    signer: RSASigner = await cache.get(credentials, partial(_obtain_signer, credentials))
    signed = _signed_headers(request)
    request.headers = [item for item in request.headers if item[0] not in _OURS]
    sent = {name for name, _ in request.headers} | {"host", "content-length", "(request-target)"}
    request.headers += [(name, value) for name, value in signed.items() if name not in sent]
    text = "\n".join(f"{name}: {value}" for name, value in signed.items())
    signature = b64encode(signer.sign(text.encode())).decode()
    who = "/".join(credentials.need(f"oci_{name}") for name in ("tenancy", "user", "fingerprint"))
    authorization = (
        f'Signature version="1",keyId="{who}",algorithm="rsa-sha256",'
        f'headers="{" ".join(signed)}",signature="{signature}"'
    )
    request.headers.append(("authorization", authorization))
    return ()


async def _obtain_signer(credentials: Credentials) -> Obtained:
    return Obtained(read_key(credentials.need("oci_key")), KEY_SECONDS)


def _signed_headers(request: Request) -> dict[str, str]:
    parts = urlsplit(request.url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    signed = {
        "date": formatdate(usegmt=True),
        "(request-target)": f"{request.method.lower()} {target}",
        "host": f"{host}{port}",
    }
    if request.method in _WITH_BODY:
        body = request.whole_body()
        digest = hashlib.sha256(body).digest()
        signed |= {
            "content-length": str(len(body)),
            "content-type": dict(request.headers).get("content-type", "application/json"),
            "x-content-sha256": b64encode(digest).decode(),
        }
    return signed
