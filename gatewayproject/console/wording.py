"""Numbers in sentences."""


def counted(number: int, one: str, many: str = "") -> str:
    """``counted(3, "row")`` → “3 rows”; pass ``many`` if adding an s is not enough."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
