"""Providers, auth schemes, API keys, credential versions and master keys."""

from .api_key import ApiKey, Environment
from .auth_scheme import AuthScheme
from .credential_version import CredentialVersion, FingerprintKey, Verdict
from .key_draft import CheckedDraft, KeyDraft
from .master_key import MasterKey
from .provider import Provider
from .restriction import Restriction
from .server_process import ServerProcess

__all__ = [
    "ApiKey",
    "AuthScheme",
    "CheckedDraft",
    "CredentialVersion",
    "Environment",
    "FingerprintKey",
    "KeyDraft",
    "MasterKey",
    "Provider",
    "Restriction",
    "ServerProcess",
    "Verdict",
]
