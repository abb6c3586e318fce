"""What can be done: one function for one act, called alike by pages, admin, commands and tests."""

from .api_keys import Conflict, create_api_key, update_api_key
from .catalogue import SyncReport, sync_providers
from .deletion import check_replacement, delete_api_key, lock_keys

__all__ = [
    "Conflict",
    "SyncReport",
    "check_replacement",
    "create_api_key",
    "delete_api_key",
    "lock_keys",
    "sync_providers",
    "update_api_key",
]
