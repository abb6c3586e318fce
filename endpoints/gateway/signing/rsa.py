"""Private RSA keys, read and used by google-auth (RSASSA-PKCS1-v1_5 with SHA-256)."""

from typing import TYPE_CHECKING

from .errors import CannotSign
from .libraries import optional

if TYPE_CHECKING:
    from google.auth.crypt import RSASigner


def read_key(pem: str, key_id: str | None = None) -> "RSASigner":
    """Return a signer for ``pem``. Raises ``CannotSign``.

    Reading takes 30 ms for 2048 bits and 200 ms for 4096, as the key is checked; signing 1 to 2 ms.
    """
    with optional("google-auth"):
        from google.auth.crypt import RSASigner
    try:
        signer: RSASigner = RSASigner.from_string(pem, key_id=key_id)  # type: ignore[no-untyped-call]  # not annotated
        signer.sign(b"")  # which fails with any other kind of key
    except (ValueError, TypeError):
        raise CannotSign(
            "The private key is not a complete RSA key in PEM format without a passphrase."
        ) from None
    return signer
