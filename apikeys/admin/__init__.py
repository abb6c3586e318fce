"""The operators' side of providers, API keys and the audit trail."""

from .api_keys import ApiKeyAdmin
from .providers import ProviderAdmin
from .schemes import AuthSchemeAdmin

__all__ = ["ApiKeyAdmin", "AuthSchemeAdmin", "ProviderAdmin"]
