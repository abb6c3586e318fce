"""Screenshots for people to look at: ``SHOTS=folder pytest tests/browser/test_looks.py``.

Not ``test-results``: every run of pytest-playwright empties that.
"""

import os
from pathlib import Path

from playwright.sync_api import Page

FOLDER = os.environ.get("SHOTS", "")


def take(page: Page, name: str, how: str) -> None:
    """Take a picture of the whole page, or of what is in sight where a dialog is open."""
    if not FOLDER:
        return
    dialog_is_open = page.get_by_role("dialog").count() > 0
    file = Path(FOLDER, how, f"{name.replace(' ', '-')}.png")
    # Hiding the caret would inject a style, which our CSP reports.
    page.screenshot(path=file, full_page=not dialog_is_open, caret="initial")
