"""The operators' side of providers, API keys and the audit trail."""

from .api_keys import ApiKeyAdmin
from .events import EventAdmin
from .providers import ProviderAdmin
from .schemes import AuthSchemeAdmin

__all__ = ["ApiKeyAdmin", "AuthSchemeAdmin", "EventAdmin", "ProviderAdmin"]
