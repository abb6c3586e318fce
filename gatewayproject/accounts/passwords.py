"""Hash passwords without taking memory and CPU time from the gateway.

Every attempt to sign in computes a hash, and needs no account. One low-priority thread computes
all of them, so the gateway's event loop takes precedence. With a full queue, sign-in returns 503.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.contrib.auth import hashers

P = ParamSpec("P")
R = TypeVar("R")

MAX_QUEUED = 4  # of the threads that serve pages; the others stay available
NICE = 10  # on Linux, threads have their own priority


class HashingBusy(Exception):
    """Too many passwords are being hashed already."""


def _lower_priority() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


_thread = ThreadPoolExecutor(1, "password-hashing", initializer=_lower_priority)


_queue_slots = threading.BoundedSemaphore(MAX_QUEUED)


def compute(hashing: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return ``hashing(*args, **kwargs)``, computed in the thread. Raises ``HashingBusy``."""
    if not _queue_slots.acquire(blocking=False):
        raise HashingBusy
    try:
        return _thread.submit(hashing, *args, **kwargs).result()
    finally:
        _queue_slots.release()


class Argon2(hashers.Argon2PasswordHasher):
    """Argon2id with 19 MiB instead of Django's 100 MiB, on one core.

    OWASP's Password Storage Cheat Sheet lists m=19456, t=2, p=1 as equivalent to its other
    recommendations. Hashes with other parameters are updated when their users sign in.
    """

    time_cost, memory_cost, parallelism = 2, 19 * 1024, 1

    def encode(self, password: str, salt: str) -> str:
        return compute(super().encode, password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        return compute(super().verify, password, encoded)


class PBKDF2(hashers.PBKDF2PasswordHasher):
    """For imported hashes. ``verify`` calls ``encode``, so it needs no override."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return compute(super().encode, password, salt, iterations)
