"""Pages for when something is wrong. They repeat nothing that was posted."""

import logging
from secrets import token_hex

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from gatewayproject.urls import urlpatterns as real_urls

pytestmark = pytest.mark.django_db

# Made up at run time, since the error page quotes source lines.
POSTED = token_hex()
LOCAL = token_hex()


def fails(request: HttpRequest) -> HttpResponse:
    credential = LOCAL.lower()
    raise RuntimeError("something is wrong" + credential[:0])


urlpatterns = [*real_urls, path("fails/", fails)]


@pytest.fixture
def failing(client: Client, settings: Settings) -> Client:
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    return client


def test_with_debug_on_the_error_page_shows_no_posted_value_and_no_local_variable(
    failing: Client, settings: Settings
) -> None:
    settings.DEBUG = True

    response = failing.post("/fails/", {"api_key": POSTED, "anything": POSTED})

    page = response.content.decode()
    assert response.status_code == 500
    assert "something is wrong" in page
    assert "anything" in page
    assert POSTED not in page
    assert LOCAL not in page
    assert settings.SECRET_KEY not in page
    assert settings.FERNET_KEYS[0] not in page


def test_with_debug_on_a_script_that_fails_is_told_as_little(
    failing: Client, settings: Settings
) -> None:
    settings.DEBUG = True

    response = failing.post("/fails/", {"api_key": POSTED}, headers={"Accept": "application/json"})

    assert POSTED not in response.content.decode()
    assert LOCAL not in response.content.decode()


def test_with_debug_off_the_error_page_tells_nothing(failing: Client) -> None:
    response = failing.post("/fails/", {"api_key": POSTED})

    assert response.status_code == 500
    assert b"<h1" in response.content
    assert b"something is wrong" not in response.content
    assert POSTED not in response.content.decode()
    assert LOCAL not in response.content.decode()


def test_the_log_of_an_error_holds_nothing_that_was_posted(
    failing: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    failing.post("/fails/", {"api_key": POSTED})

    assert "something is wrong" in caplog.text
    assert POSTED not in caplog.text


def test_a_form_that_is_too_large_gets_a_page_that_says_so(client: Client) -> None:
    response = client.post("/endpoints/new/", {"description": "x" * 600_000})

    assert response.status_code == 413
    assert b"<h1" in response.content
    assert b"xxxx" not in response.content


def test_a_form_with_too_many_fields_is_refused(client: Client) -> None:
    response = client.post("/endpoints/new/", {f"field{number}": "" for number in range(600)})

    assert response.status_code == 400
    assert b"<h1" in response.content


def test_an_uploaded_file_is_never_kept(client: Client) -> None:
    upload = SimpleUploadedFile("key.txt", b"text")

    response = client.post("/endpoints/new/", {"name": upload, "model": "gpt-5-mini"})

    assert response.status_code == 422
    assert not response.wsgi_request.FILES


def test_a_page_that_there_is_not_has_a_page_of_its_own(client: Client) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert b"<h1" in response.content
