"""How a request proves who it is: the credential's headers, or what a signer computes."""

from .credentials import Credentials
from .errors import CannotSign, CredentialsRefused, TokenServiceUnavailable
from .headers import credential_headers
from .sign import Signing

__all__ = [
    "CannotSign",
    "Credentials",
    "CredentialsRefused",
    "Signing",
    "TokenServiceUnavailable",
    "credential_headers",
]
