"""What can be done: one function for one act, called alike by pages, admin, commands and tests."""

from .dependents import KeyDependents
from .endpoints import (
    DETAILS,
    create_endpoint,
    delete_endpoint,
    save_details,
    touch,
    update_endpoint,
)
from .token_summaries import facts_about, facts_of
from .tokens import (
    LONGEST_LIFETIME,
    check_token,
    create_token,
    delete_token,
    digest_of_details,
    issue_trial_token,
    revoke_token,
    update_token,
)

__all__ = [
    "DETAILS",
    "LONGEST_LIFETIME",
    "KeyDependents",
    "check_token",
    "create_endpoint",
    "create_token",
    "delete_endpoint",
    "delete_token",
    "digest_of_details",
    "facts_about",
    "facts_of",
    "issue_trial_token",
    "revoke_token",
    "save_details",
    "touch",
    "update_endpoint",
    "update_token",
]
