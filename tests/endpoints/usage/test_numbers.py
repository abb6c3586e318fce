"""Numbers as people read them."""

from decimal import Decimal

import pytest

from endpoints.usage.charts import round_up
from endpoints.usage.numbers import compact, duration, money, percent


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (12_345, "12.3k"),
        (999_999, "1M"),
        (1_234_567, "1.23M"),
        (3_000_000_000, "3B"),
        (4.5e12, "4.5T"),
    ],
)
def test_counts_are_short(number: float, shown: str) -> None:
    assert compact(number) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "—"),
        (0.2, "< 1 ms"),
        (7, "7 ms"),
        (643, "640 ms"),
        (996, "1.0 s"),
        (1_643, "1.6 s"),
        (9_960, "10 s"),
        (51_200, "51 s"),
        (float("inf"), "> 51 s"),
    ],
)
def test_estimated_times_have_two_digits(milliseconds: float | None, shown: str) -> None:
    assert duration(milliseconds) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, "—"),
        ("0", "$0.00"),
        ("0.004", "< $0.01"),
        ("1234.5", "$1,234.50"),
        ("12345.6", "$12,346"),
    ],
)
def test_money_is_shown_to_the_cent_while_that_matters(dollars: str | None, shown: str) -> None:
    assert money(None if dollars is None else Decimal(dollars)) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"),
        (0.0004, "< 0.1%"),
        (0.0123, "1.2%"),
        (0.5, "50%"),
        (0.95, "95.0%"),
        (0.9999, "> 99.9%"),
        (1, "100%"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (3, 4), (9, 10), (10, 10), (11, 20), (41, 50), (99, 100), (2_676, 3_000)],
)
def test_a_scale_ends_just_above_the_highest_bar_and_halves_well(most: int, top: int) -> None:
    assert round_up(most) == top
