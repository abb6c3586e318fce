"""User-facing text is plain American English: none of the phrases in ``old_words.txt``.

To check more text, add it to ``TEXTS``.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.installation import ROOT

PHRASES = Path(__file__).with_name("old_words.txt")
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
DOCS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / ".env.example",
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / ".github").rglob("*.md"),
]
# Python files whose strings users read: messages, labels, help and errors. Docstrings do not count.
SOURCES = sorted(
    path
    for app in ("apikeys", "endpoints", "gatewayproject")
    for path in (ROOT / app).rglob("*.py")
    if not {"migrations", "demo"} & set(path.relative_to(ROOT).parts)
)
TEXTS = {"templates": TEMPLATES, "docs": DOCS, "sources": SOURCES}


def phrases() -> list[str]:
    lines = (line.strip() for line in PHRASES.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pattern(phrase: str) -> re.Pattern[str]:
    is_expression = phrase.startswith("/") and phrase.endswith("/")
    expression = phrase[1:-1] if is_expression else re.escape(phrase)
    return re.compile(expression, re.IGNORECASE)


def strings(source: str) -> str:
    """Return the string literals of Python source, one per line, without docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return "\n".join(
        node.value.replace("\n", " ")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value  # one word is a name, not a sentence
        and id(node) not in docstrings
    )


def text_of(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".html":  # without tags, template tags and variables
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", text, flags=re.DOTALL)
    return strings(text) if path.suffix == ".py" else re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_text_has_none_of_the_old_phrases(kind: str) -> None:
    patterns = [pattern(phrase) for phrase in phrases()]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in TEXTS[kind]
        for text in [text_of(path)]
        for expression in patterns
        if (match := expression.search(text))
    ]
    assert TEXTS[kind]
    assert not found


@pytest.mark.parametrize(
    ("text", "is_old"),
    [
        ("Nothing to see here.", True),
        ("An account that nobody\nuses", True),
        ("100 %", True),
        ("100%", False),
        ("nobody needs to see it again", False),
    ],
)
def test_phrases_match(text: str, is_old: bool) -> None:
    assert any(pattern(phrase).search(text.replace("\n", " ")) for phrase in phrases()) is is_old
