"""Log formatting: one line per entry."""

import copy
import logging
import re

# Line breaks, other control characters, lone surrogates, and bidirectional controls.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class OneLine(logging.Formatter):
    r"""Writes each entry on one line: a line break, such as in a traceback, becomes ``\n``.

    Only errors have tracebacks. A refused request is not an error, although Django logs one for an
    unknown host as such.
    """

    def format(self, record: logging.LogRecord) -> str:
        is_refusal = record.levelno < logging.ERROR or record.name.startswith("django.security.")
        if record.exc_info and is_refusal:
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        line = super().format(record)
        return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], line)


class WithoutQuery(logging.Filter):
    """Removes the query from uvicorn's access log: older Google clients put their token in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def is_access_log_wanted() -> bool:
    """Report whether uvicorn should log requests.

    uvicorn configures logging before it loads Django, and ``--no-access-log`` removes the handlers.
    Propagation would bypass that.
    """
    return bool(logging.getLogger("uvicorn.access").handlers)
