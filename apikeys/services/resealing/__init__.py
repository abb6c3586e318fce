"""Rotating the master key: everything that is sealed, re-sealed under the first of FERNET_KEYS."""

from .guard import Refused, problems_now
from .rotating import BATCH, Report, rotate_master_key, survey
from .standing import Standing, current_standing, missing_master_keys
from .steps import next_step
from .unreadable import unreadable_versions

__all__ = [
    "BATCH",
    "Refused",
    "Report",
    "Standing",
    "current_standing",
    "missing_master_keys",
    "next_step",
    "problems_now",
    "rotate_master_key",
    "survey",
    "unreadable_versions",
]
