"""When a provider that cannot serve now says to try again: every way in which they spell it."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 24 * 3600.0  # seconds; what is longer is no rate limit
_DELAY = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_RETRY_INFO = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,9}(?:\.\d{1,9})?)s"')
# Names of headers begin like this. Sources: the pages on rate limits of OpenAI, Groq, Anthropic and
# Azure OpenAI; draft-ietf-httpapi-ratelimit-headers-07, "RateLimit header fields".
_LIMITS = ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")


def seconds_to_wait(headers: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> float:
    """Return how many seconds the provider asks to wait; 0 if it does not say.

    Retry-After comes first, then Google's RetryInfo, then the limits that are used up.
    """
    found = {
        lower.decode("latin-1"): value.decode("latin-1").strip()[:100]
        for name, value in headers
        if (lower := name.lower()).endswith(b"-ms")
        or lower == b"retry-after"
        or b"ratelimit" in lower
    }
    seconds = _retry_after(found)
    if not seconds and (info := _RETRY_INFO.search(body)):
        seconds = float(info[1])  # google.rpc.RetryInfo, as JSON writes a duration
    seconds = seconds or _limits_used_up(found)
    return min(seconds, LONGEST) if math.isfinite(seconds) and seconds > 0 else 0.0


def _retry_after(found: Mapping[str, str]) -> float:
    """Both forms of RFC 9110, section 10.2.3, with fractions; and in milliseconds, as Azure and
    OpenAI write it."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if _DELAY.fullmatch(found.get(name, "")):
            return float(found[name]) / 1000
    text = found.get("retry-after", "")
    if _DELAY.fullmatch(text):
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0


def _limits_used_up(found: Mapping[str, str]) -> float:
    """Return when the last of the limits without anything left is reset; if none says that it is
    used up, when the first one is."""
    used_up, all_of_them = [], []
    for name, text in found.items():
        if "-reset" not in name or not name.startswith(_LIMITS):
            continue
        if (seconds := _seconds_until(text)) > 0:
            all_of_them.append(seconds)
            if found.get(name.replace("-reset", "-remaining")) == "0":
                used_up.append(seconds)
    return max(used_up, default=min(all_of_them, default=0.0))


def _seconds_until(text: str) -> float:
    """Read "6m0s", "59.56s", "12", a time since 1970 in seconds or milliseconds, or RFC 3339."""
    if _DELAY.fullmatch(text) or text.isdigit():
        number = float(text[:18])
        if number > 1e12:
            return number / 1000 - time.time()
        return number - time.time() if number > 1e9 else number
    if text and (match := _DURATION.fullmatch(text)):
        days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + milliseconds / 1000
    try:
        return datetime.fromisoformat(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
