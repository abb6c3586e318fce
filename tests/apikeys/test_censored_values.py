"""Which credential values are removed from responses."""

import pytest

from apikeys.censored_values import censored_values, uncensored_names

RANDOM = [
    "sk-proj-aB3dEf7hIj",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AKIAIOSFODNN7EXAMPLE",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "gsk_4f9d8e7c6b5a",
    "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IMSuO5ofd6k",
    "xqzvkjwpfhgbnmtrdlsyceoiua",
]
ORDINARY = [
    "production",
    "lm-studio",
    "not-needed",
    "password",
    "anything",
    "localhost",
    "assistant",
    "EMPTY",
]
TITLES = [
    "Customer Support Bot",
    "CustomerSupportBot",
    "https://example.com",
    "search-engineering",
    "us-east-1",
    "gpt-4o-mini-2024-07-18",
    "anthropic.claude-3-5-sonnet-20240620-v1:0",
]


@pytest.mark.parametrize("value", RANDOM)
def test_a_random_value_is_removed_from_responses_as_a_credential_and_as_a_header(
    value: str,
) -> None:
    assert censored_values({"api_key": value}) == [value]
    assert value in censored_values({"extra_headers": f"X-Extra: {value}"})
    assert value in censored_values({"extra_headers": f"X-Extra: Token {value}"})


@pytest.mark.parametrize("value", ORDINARY)
def test_an_ordinary_word_stays_even_as_a_credential(value: str) -> None:
    assert censored_values({"api_key": value}) == []
    assert uncensored_names({"api_key": value}) == ["api_key"]


@pytest.mark.parametrize("value", [*ORDINARY, *TITLES])
def test_an_ordinary_header_stays(value: str) -> None:
    secrets = {"extra_headers": f"X-Title: {value}"}

    assert censored_values(secrets) == []
    assert uncensored_names(secrets) == ["X-Title"]


@pytest.mark.parametrize("value", ["correct-horse-battery", "hunter22", "sk-12345"])
def test_a_chosen_password_is_removed_as_a_whole(value: str) -> None:
    assert censored_values({"api_key": value}) == [value]


def test_a_header_that_carries_a_credential_is_treated_as_one() -> None:
    secrets = {"extra_headers": "X-Api-Key: correct-horse-battery\nAccept: application/json"}

    assert censored_values(secrets) == ["correct-horse-battery"]
    assert uncensored_names(secrets) == []
