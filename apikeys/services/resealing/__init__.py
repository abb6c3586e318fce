"""Rotating the master key: everything that is sealed, re-sealed under the first of FERNET_KEYS."""

from .forgetting import Forgotten, forget_unreadable, would_forget
from .guard import Refused, problems_now
from .rotating import BATCH, Progress, Report, rotate_master_key, survey
from .standing import Standing, current_standing, missing_master_keys
from .steps import next_step, nothing_to_do
from .unreadable import unreadable_others, unreadable_versions

__all__ = [
    "BATCH",
    "Forgotten",
    "Progress",
    "Refused",
    "Report",
    "Standing",
    "current_standing",
    "forget_unreadable",
    "missing_master_keys",
    "next_step",
    "nothing_to_do",
    "problems_now",
    "rotate_master_key",
    "survey",
    "unreadable_others",
    "unreadable_versions",
    "would_forget",
]
