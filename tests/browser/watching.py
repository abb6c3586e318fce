"""What a browser complains about, and where it sends requests."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

# Chromium logs every answer of 400 and above, and these are how a page says "please correct".
_PART_OF_THE_CONVERSATION = re.compile(r"Failed to load resource: .* status of (409|422) ")


@dataclass
class Watch:
    """Collects what goes wrong in a browser: errors in the console, of scripts, and of the CSP."""

    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    expected: tuple[int, ...] = ()

    def keep_an_eye_on(self, context: BrowserContext) -> None:
        context.on("console", self._heard)
        context.on("weberror", self._broke)
        context.on("request", lambda request: self.requests.append(request))

    def expect(self, *statuses: int) -> None:
        """Answers with these statuses are part of this test."""
        self.expected += statuses

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if _PART_OF_THE_CONVERSATION.search(message.text):
            return
        if any(
            re.search(rf"status (of|error code) {status} ", message.text, re.I)
            for status in self.expected
        ):
            return
        self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _broke(self, error: WebError) -> None:
        self.complaints.append(f"script: {error.error.message}")
