"""What can be done with API keys: one function for one action, called by pages, admin and commands.

``master_key_rotation`` and ``providers`` have services of their own.
"""

from .api_keys import create_api_key, disable_api_key, enable_api_key, update_api_key
from .bulk import (
    MOST_KEYS,
    delete_api_keys,
    deletion_phrase,
    disable_api_keys,
    enable_api_keys,
    update_api_keys,
)
from .catalogue import sync_providers
from .credential_tests import secrets_to_test
from .deletion import delete_api_key
from .export import csv_of
from .provider_refusals import (
    Call,
    mark_accepted,
    mark_if_test_refuses,
    mark_refused,
    mark_restricted,
    mark_served,
)
from .replacement import move_endpoints
from .rotation import (
    destroy_previous,
    discard_pending,
    promote_credentials,
    roll_back_credentials,
    run_credential_test,
    stage_credentials,
)

__all__ = [
    "MOST_KEYS",
    "Call",
    "create_api_key",
    "csv_of",
    "delete_api_key",
    "delete_api_keys",
    "deletion_phrase",
    "destroy_previous",
    "disable_api_key",
    "disable_api_keys",
    "discard_pending",
    "enable_api_key",
    "enable_api_keys",
    "mark_accepted",
    "mark_if_test_refuses",
    "mark_refused",
    "mark_restricted",
    "mark_served",
    "move_endpoints",
    "promote_credentials",
    "roll_back_credentials",
    "run_credential_test",
    "secrets_to_test",
    "stage_credentials",
    "sync_providers",
    "update_api_key",
    "update_api_keys",
]
