"""Providers, auth schemes, API keys, credential versions and the audit trail."""

from .api_key import ApiKey, Environment
from .auth_scheme import AuthScheme
from .credential_version import CredentialVersion, FingerprintKey
from .event import Event
from .master_key import MasterKey
from .provider import Provider
from .server_process import ServerProcess

__all__ = [
    "ApiKey",
    "AuthScheme",
    "CredentialVersion",
    "Environment",
    "Event",
    "FingerprintKey",
    "MasterKey",
    "Provider",
    "ServerProcess",
]
