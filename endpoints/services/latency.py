"""Latency out of a histogram, which knows how many requests took at most so long."""

from collections.abc import Sequence
from itertools import pairwise

from endpoints.models.usage import LATENCY_BOUNDS

_EDGES = (0, *LATENCY_BOUNDS)
SLOWEST_KNOWN = LATENCY_BOUNDS[-1]  # milliseconds; whoever took longer is counted without a bound


def percentile(share: float, counts: Sequence[int]) -> float | None:
    """Return how many milliseconds ``share`` of the requests took at most, or None without any.

    ``counts`` are those of the histogram's columns. An estimate: requests are taken to lie evenly
    inside a column. Infinite where the answer lies beyond ``SLOWEST_KNOWN``.
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
