"""What can be done: one function for one act, called alike by pages, admin, commands and tests."""

from .api_keys import create_api_key, update_api_key
from .catalogue import sync_providers
from .deletion import delete_api_key, lock_keys
from .erasing import finish_erasing, settle_erasing
from .refusals import mark_accepted, mark_refused
from .rotation import (
    check_credentials,
    destroy_previous,
    discard_pending,
    promote_credentials,
    roll_back_credentials,
    stage_credentials,
)
from .switching import disable_api_key, enable_api_key
from .testing import secrets_to_test
from .versions import Conflict

__all__ = [
    "Conflict",
    "check_credentials",
    "create_api_key",
    "delete_api_key",
    "destroy_previous",
    "disable_api_key",
    "discard_pending",
    "enable_api_key",
    "finish_erasing",
    "lock_keys",
    "mark_accepted",
    "mark_refused",
    "promote_credentials",
    "roll_back_credentials",
    "secrets_to_test",
    "settle_erasing",
    "stage_credentials",
    "sync_providers",
    "update_api_key",
]
