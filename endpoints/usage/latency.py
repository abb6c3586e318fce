"""Percentiles of latency, estimated from a histogram."""

from collections.abc import Sequence
from itertools import pairwise

# Upper bounds of the histogram's columns, in milliseconds; the last column has no bound.
LATENCY_BOUNDS = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200)
_EDGES = (0, *LATENCY_BOUNDS)
SLOWEST_KNOWN = LATENCY_BOUNDS[-1]  # milliseconds; slower requests are in the last column


def percentile(share: float, counts: Sequence[int]) -> float | None:
    """Return the milliseconds within which ``share`` of the requests ended, or None without any.

    ``counts`` has one number per column. An estimate: requests are assumed to be spread evenly
    within a column. Infinite beyond ``SLOWEST_KNOWN``.
    """
    rank = share * sum(counts)
    if not rank:
        return None
    below = 0
    for (low, high), count in zip(pairwise(_EDGES), counts, strict=False):
        if below + count >= rank:
            return low + (high - low) * (rank - below) / count
        below += count
    return float("inf")
