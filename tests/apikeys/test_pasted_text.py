"""Credentials arrive by copy and paste, with all that clings to them."""

import json
import time
from contextlib import suppress

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from apikeys.catalogue.cleaned import Cleaned
from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.pasted_text import MAX_DOCUMENT, MAX_LENGTH, clean_credential
from tests.fakes import PEM, service_account

KEY = "sk-proj-AbC123dEf456GhI789jKl012"
ENV = ("OPENAI_API_KEY",)


def clean(text: str, *, document: bool = False) -> Cleaned:
    return clean_credential(text, "API key", env=ENV, document=document)


def refusal_of(text: str, *, document: bool = False) -> str:
    with pytest.raises(ValidationError) as refusal:
        clean(text, document=document)
    return " ".join(refusal.value.messages)


def parts_of(text: str, size: int = 6) -> set[str]:
    return {text[start : start + size] for start in range(len(text) - size + 1)}


@pytest.mark.parametrize(
    "pasted",
    [
        f"  {KEY}  ",
        f"\t{KEY}\n",
        f"{KEY}\r\n",
        f"\n\n{KEY}\n\n",
        f"\u00a0{KEY}\u00a0",
        f'"{KEY}"',
        f"'{KEY}'",
        f"`{KEY}`",
        f"“{KEY}”",
        f"Bearer {KEY}",
        f"bearer   {KEY}",
        f"BEARER {KEY}",
        f"Authorization: Bearer {KEY}",
        f"'Authorization: Bearer {KEY}'",
        f"OPENAI_API_KEY={KEY}",
        f"OPENAI_API_KEY = {KEY}",
        f"OPENAI_API_KEY: {KEY}",
        f'OPENAI_API_KEY="{KEY}"',
        f"export OPENAI_API_KEY={KEY}",
        f"export OPENAI_API_KEY='{KEY}'\n",
        f"set OPENAI_API_KEY={KEY}",
        f'$env:OPENAI_API_KEY = "{KEY}"',
        f"SOME_OTHER_TOKEN={KEY}",
        f'  "Bearer {KEY}"  ',
        f" ' \" {KEY} \" ' ",
    ],
)
def test_what_surrounds_a_credential_is_removed_with_a_note(pasted: str) -> None:
    value, notes = clean(pasted)

    assert value == KEY
    [note] = notes
    assert note.startswith("Removed ")
    assert not parts_of(KEY) & parts_of(note)


@pytest.mark.parametrize(
    "credential",
    [
        KEY,
        "zz-a-prefix-of-no-provider-0001",
        "7",
        "a=b",
        "abcd1234=efgh",
        "dGhpcyBpcyBub3QgYSBrZXk=",
        "BearerOfBadNews",
        "eyJhbGciOiJub25lIn0.e30.",
        'ab"cd',
        "it's-fine'",
        "!#$%&()*+,-./:;<=>?@[]^_{|}~",
        "xxxxxxx-not-only-x",
        "lower_case_key=value",
    ],
)
def test_anything_that_may_be_a_credential_is_kept_without_a_word(credential: str) -> None:
    assert clean(credential) == (credential, ())


@pytest.mark.parametrize("nothing", ["", " ", "\n\t ", "\u00a0", '""', "' '", "\r\n"])
def test_nothing_is_nothing(nothing: str) -> None:
    value, _ = clean(nothing)

    assert value == ""


@pytest.mark.parametrize("row", [f"openai-production,{KEY}", f"name,{KEY}", f"Key of Kim,{KEY}"])
def test_a_row_of_a_table_is_not_a_credential(row: str) -> None:
    assert "row of a table" in refusal_of(row)


@pytest.mark.parametrize("credential", ["Pass,word", f"12,{KEY}", f"{KEY},", f"a,{KEY},b"])
def test_a_comma_alone_is_no_reason_to_refuse(credential: str) -> None:
    assert clean(credential)[0] == credential


@pytest.mark.parametrize(
    "mask",
    [
        "…1234",
        "...1234",
        "sk-...abcd",
        "sk-…abcd",
        "••••••••",
        "●●●●abcd",
        "********",
        "sk-proj-AbC1****l012",
        "xxxxxxxx",
        "XXXXXXXXXXXX",
        "“…1234”",
        "OPENAI_API_KEY=sk-...abcd",
    ],
)
def test_a_mask_is_not_a_credential(mask: str) -> None:
    assert "mask" in refusal_of(mask)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (" ", "spaces"),
        ("\t", "spaces"),
        ("\n", "spaces"),
        ("\r", "spaces"),
        ("\r\n", "spaces"),
        ("\v", "spaces"),
        ("\u00a0", "spaces"),
        ("\u2028", "spaces"),
        ("\u3000", "spaces"),
        ("\x00", "control"),
        ("\x1b", "control"),
        ("\x7f", "control"),
        ("\x9b", "control"),
        ("\ud800", "control"),
        ("\u200b", "zero-width"),
        ("\u200d", "zero-width"),
        ("\u202e", "zero-width"),
        ("\u2060", "zero-width"),
        ("\ufeff", "zero-width"),
        ("\u00ad", "zero-width"),
        ("é", "ASCII"),
        ("ѕ", "ASCII"),  # Cyrillic
        ("🔑", "ASCII"),
        ("０", "ASCII"),
    ],
)
@pytest.mark.parametrize("at", [12, 0, len(KEY)])
def test_what_a_header_cannot_carry_is_refused_without_repeating_the_value(
    inside: str, reason: str, at: int
) -> None:
    pasted = KEY[:at] + inside + KEY[at:]
    if pasted.strip() == KEY:
        assert clean(pasted)[0] == KEY if inside in " \t\n\r\r\n\v\u00a0" else refusal_of(pasted)
        return

    message = refusal_of(pasted)

    assert reason in message
    assert not parts_of(KEY) & parts_of(message)


@pytest.mark.parametrize(
    "text",
    [KEY + "…", KEY + " " + KEY, KEY * 1000, "OPENAI_API_KEY=" + KEY + "\0", '"' + KEY + "é" + '"'],
)
def test_no_refusal_repeats_a_part_of_the_value(text: str) -> None:
    assert not parts_of(KEY) & parts_of(refusal_of(text))


FRAGMENTS = [
    "Bearer ",
    "bearer\t",
    "OPENAI_API_KEY=",
    "export ",
    '"',
    "'",
    "“",
    "”",
    " ",
    "\n",
    "…",
    "...",
    KEY,
]
pastes = st.one_of(
    st.text(),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)),
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=8).map("".join),
)


@given(pastes)
@example("Bearer Bearer " + KEY)
@example('"' * 9)
def test_whatever_is_pasted_is_refused_or_fits_into_a_header(text: str) -> None:
    try:
        value, _ = clean(text)
    except ValidationError as error:
        value, message = "", " ".join(error.messages)
    else:
        message = ""

    assert not parts_of(KEY) & parts_of(message)
    assert all("!" <= character <= "~" for character in value)
    assert clean(value) == (value, ())


@given(pastes)
def test_whatever_document_is_pasted_is_refused_or_plain_text(text: str) -> None:
    try:
        value, _ = clean(text, document=True)
    except ValidationError:
        return

    assert all(" " <= character <= "~" or character in "\n\t" for character in value)


@pytest.mark.parametrize(
    "document", [service_account(), PEM, json.dumps({"a": {"b": "…".encode().hex()}})]
)
def test_a_document_keeps_its_line_breaks(document: str) -> None:
    assert clean(document, document=True) == (document, ())
    assert clean(document.replace("\n", "\r\n"), document=True) == (document, ())
    assert clean(f"\n  {document}\n", document=True)[0] == document


@pytest.mark.parametrize("inside", ["\0", "\x1b", "\u200b", "é", "\u2028"])
def test_a_document_is_plain_text_too(inside: str) -> None:
    message = refusal_of(PEM[:40] + inside + PEM[40:], document=True)

    assert not parts_of(PEM) & parts_of(message)


@pytest.mark.parametrize("unit", ["x", '"', "Bearer ", " ", "export A_KEY=", "“", "a\n", "A_KEY=:"])
@pytest.mark.parametrize(("size", "document"), [(MAX_LENGTH, False), (MAX_DOCUMENT, True)])
def test_something_huge_is_answered_at_once(unit: str, size: int, document: bool) -> None:
    started = time.thread_time()

    message = refusal_of((unit * 1_000_000)[:1_000_000], document=document)
    with suppress(ValidationError):
        clean((unit * size)[:size], document=document)

    assert "too long" in message
    assert time.thread_time() - started < 2


def headers(text: str) -> str:
    spec = FieldSpec.parse(
        {"name": "extra_headers", "label": "Extra headers", "secret": True, "kind": "key_values"}
    )
    return spec.clean(text).value


def test_extra_headers_are_lines_of_name_and_value() -> None:
    assert headers(" X-Team: search \n\n X-Token:abc def\n") == "X-Team: search\nX-Token:abc def"


@pytest.mark.parametrize(
    "text",
    [
        f"X-Token {KEY}",
        f"X Token: {KEY}",
        "X-Token:",
        f": {KEY}",
        f"Host: {KEY}",
        f"host: {KEY}",
        f"Transfer-Encoding: {KEY}",
        f"Content-Length: {KEY}",
        f"Cookie: {KEY}",
        f"X-Token: {KEY}\x00",
        f"X-Token: {KEY}é",
    ],
)
def test_a_header_that_cannot_travel_is_refused_without_repeating_its_value(text: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        headers(text)

    assert not parts_of(KEY) & parts_of(" ".join(refusal.value.messages))
