"""Rotating the master key: everything that is sealed, re-sealed under the first of FERNET_KEYS."""

from .preflight import RotationRefused, problems_now
from .rotation import BATCH, Progress, Report, rotate_master_key, survey
from .runbook import next_step, nothing_to_do
from .state import DAMAGED, MasterKeyState, current_state, missing_master_keys
from .unreadable import unreadable_others, unreadable_versions
from .unreadable_rows import Forgotten, forget_unreadable, would_forget

__all__ = [
    "BATCH",
    "DAMAGED",
    "Forgotten",
    "MasterKeyState",
    "Progress",
    "Report",
    "RotationRefused",
    "current_state",
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
