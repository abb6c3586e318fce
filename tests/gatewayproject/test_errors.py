"""Pages for when something is wrong. They repeat nothing that was posted."""

import logging
from secrets import token_hex

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from gatewayproject.urls import handler400, handler500  # noqa: F401
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
    settings.TRIAL = True

    response = failing.post("/fails/", {"api_key": POSTED, "anything": POSTED})

    page = response.content.decode()
    assert response.status_code == 500
    assert "something is wrong" in page
    assert "anything" in page
    assert POSTED not in page
    assert LOCAL not in page
    assert settings.SECRET_KEY not in page
    assert settings.FERNET_KEYS[0] not in page


def test_with_debug_on_an_error_of_a_script_request_shows_no_values(
    failing: Client, settings: Settings
) -> None:
    settings.TRIAL = True

    response = failing.post("/fails/", {"api_key": POSTED}, headers={"Accept": "application/json"})

    assert POSTED not in response.content.decode()
    assert LOCAL not in response.content.decode()


@pytest.mark.parametrize("path", ["/fails/", "/nowhere/"])
@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.9", "2001:db8::1", "", "unknown"])
def test_with_debug_on_other_machines_see_no_debug_page(
    failing: Client, settings: Settings, path: str, address: str
) -> None:
    settings.TRIAL = True

    page = failing.post(path, REMOTE_ADDR=address).content.decode()

    assert "<h1" in page
    assert "something is wrong" not in page
    assert "urlpatterns" not in page
    assert "RuntimeError" not in page
    assert "DEBUG" not in page


def test_with_debug_on_a_missing_page_is_the_same_as_without(
    failing: Client, settings: Settings
) -> None:
    settings.TRIAL = True

    response = failing.get("/nowhere/")

    assert response.status_code == 404
    assert "Page not found" in response.content.decode()
    assert "urlpatterns" not in response.content.decode()


@pytest.mark.parametrize("is_trial", [False, True])
def test_an_unknown_host_gets_a_page_that_names_the_setting(
    failing: Client, settings: Settings, is_trial: bool
) -> None:
    settings.TRIAL = is_trial

    response = failing.get("/login/", headers={"Host": "elsewhere.example"})

    assert response.status_code == 400
    page = response.content.decode()
    assert "<code>ALLOWED_HOSTS</code>" in page
    assert "Traceback" not in page


def test_with_debug_off_the_error_page_shows_no_details(failing: Client) -> None:
    response = failing.post("/fails/", {"api_key": POSTED})

    assert response.status_code == 500
    assert b"<h1" in response.content
    assert b"something is wrong" not in response.content
    assert POSTED not in response.content.decode()
    assert LOCAL not in response.content.decode()


def test_the_log_of_an_error_contains_no_posted_value(
    failing: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    failing.post("/fails/", {"api_key": POSTED})

    assert "something is wrong" in caplog.text
    assert POSTED not in caplog.text


def test_a_form_that_is_too_large_gets_an_error_page(client: Client) -> None:
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


def test_a_missing_page_has_an_error_page(client: Client) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert b"<h1" in response.content
