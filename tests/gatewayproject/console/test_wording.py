"""Numbers in sentences."""

import pytest

from gatewayproject.console.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "sentence"),
    [
        (0, ["row"], "0 rows"),
        (1, ["row"], "1 row"),
        (2, ["row"], "2 rows"),
        (1234, ["row"], "1,234 rows"),
        (1, ["row needs", "rows need"], "1 row needs"),
        (2, ["row needs", "rows need"], "2 rows need"),
    ],
)
def test_a_number_and_its_noun_agree(number: int, words: list[str], sentence: str) -> None:
    assert counted(number, *words) == sentence
