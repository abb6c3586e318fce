"""JSON columns that were written without the models: deep nesting is malformed."""

import json
import re
from itertools import accumulate
from typing import Any

MAX_DEPTH = 100
_BRACKET = re.compile(r"[\[\]{}]")


class ShallowDecoder(json.JSONDecoder):
    """Refuses deep nesting. Django then returns the column as a string, which is invalid."""

    def decode(self, s: str, *args: Any) -> Any:
        if s.count("[") + s.count("{") > MAX_DEPTH:  # otherwise it cannot be deeper
            steps = (1 if bracket in "[{" else -1 for bracket in _BRACKET.findall(s))
            if max(accumulate(steps)) > MAX_DEPTH:
                raise json.JSONDecodeError("Nested too deeply", s, 0)
        return super().decode(s, *args)
