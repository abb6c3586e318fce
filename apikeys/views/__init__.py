"""The pages of API keys."""

from .api_keys import api_key_delete, api_key_detail, api_key_edit, api_key_endpoints, api_key_list
from .bulk import (
    api_keys_delete,
    api_keys_disable,
    api_keys_edit,
    api_keys_enable,
    api_keys_export,
)
from .create import api_key_new
from .encryption import encryption
from .move import api_key_move
from .rotation import (
    api_key_destroy,
    api_key_disable,
    api_key_discard,
    api_key_enable,
    api_key_promote,
    api_key_roll_back,
    api_key_stage,
    api_key_test,
)

__all__ = [
    "api_key_delete",
    "api_key_destroy",
    "api_key_detail",
    "api_key_disable",
    "api_key_discard",
    "api_key_edit",
    "api_key_enable",
    "api_key_endpoints",
    "api_key_list",
    "api_key_move",
    "api_key_new",
    "api_key_promote",
    "api_key_roll_back",
    "api_key_stage",
    "api_key_test",
    "api_keys_delete",
    "api_keys_disable",
    "api_keys_edit",
    "api_keys_enable",
    "api_keys_export",
    "encryption",
]
