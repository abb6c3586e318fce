"""The documentation names only files that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
FILE = re.compile(r"`([\w./-]+\.(?:py|toml|lock|css|js|html))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in source_files()}
    named = {name for name in FILE.findall(document.read_text()) if "NAME" not in name}

    missing = [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in files)]

    assert missing == []


def source_files() -> Iterator[Path]:
    """Yield the files of the checkout, without environments and caches."""
    for folder in (".ci", "apikeys", "endpoints", "gatewayproject", "static", "templates", "tests"):
        yield from (ROOT / folder).rglob("*.*")
    yield from ROOT.glob("*.*")
