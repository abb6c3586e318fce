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
from endpoints.gateway.upstream import Request

from .credentials import Credentials
from .rsa import read_key
from .tokens import Kept, Obtained

if TYPE_CHECKING:
    from google.auth.crypt import RSASigner

KEY_SECONDS = 3600  # that a private key is kept as it was read: see rsa.py for what reading takes
_OURS = {"date", "x-date", "x-content-sha256"}
_WITH_BODY = {"POST", "PUT", "PATCH"}


async def sign(request: Request, credentials: Credentials, kept: Kept) -> tuple[str, ...]:
    """Add the signature. Returns what is secret of it: nothing."""
    signer: RSASigner = await kept.get(credentials, partial(_read_key, credentials))
    signed = _signed_headers(request)
    request.headers = [item for item in request.headers if item[0] not in _OURS]
    sent = {name for name, _ in request.headers} | {"host", "content-length", "(request-target)"}
    request.headers += [(name, value) for name, value in signed.items() if name not in sent]
    text = "\n".join(f"{name}: {value}" for name, value in signed.items())
    signature = b64encode(signer.sign(text.encode())).decode()
    request.headers.append(("authorization", _authorization(credentials, signed, signature)))
    return ()


async def _read_key(credentials: Credentials) -> Obtained:
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
        digest = hashlib.sha256(request.body).digest()
        signed |= {
            "content-length": str(len(request.body)),
            "content-type": dict(request.headers).get("content-type", "application/json"),
            "x-content-sha256": b64encode(digest).decode(),
        }
    return signed


def _authorization(credentials: Credentials, signed: dict[str, str], signature: str) -> str:
    who = (credentials.need(f"oci_{name}") for name in ("tenancy", "user", "fingerprint"))
    return (
        f'Signature version="1",keyId="{"/".join(who)}",algorithm="rsa-sha256",'
        f'headers="{" ".join(signed)}",signature="{signature}"'
    )
