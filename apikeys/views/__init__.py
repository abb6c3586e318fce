"""The pages of API keys, and the trail of what was done."""

from .activity import activity
from .api_keys import api_key_delete, api_key_detail, api_key_edit, api_key_endpoints, api_key_list
from .creating import api_key_new
from .encryption import encryption
from .rotating import api_key_act, api_key_test

__all__ = [
    "activity",
    "api_key_act",
    "api_key_delete",
    "api_key_detail",
    "api_key_edit",
    "api_key_endpoints",
    "api_key_list",
    "api_key_new",
    "api_key_test",
    "encryption",
]
