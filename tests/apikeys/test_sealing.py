"""What is sealed opens only with a master key, for its own row, towards its own origin."""

import json
import logging
import pickle
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection, transaction
from django.forms import modelform_factory
from fernet_fields.hkdf import derive_fernet_key

from apikeys.models import ApiKey, AuthScheme, CredentialVersion, FingerprintKey
from apikeys.sealing import (
    CannotOpen,
    Role,
    Sealed,
    Secrets,
    fingerprint_of,
    master_keys,
    open_sealed,
    opens_with_primary,
    reseal,
    seal,
)
from apikeys.services import create_api_key
from gatewayproject.accounts.actors import Actor
from tests.conftest import DraftKey
from tests.fakes import OPENAI_KEY, service_account

MakeKey = Callable[..., ApiKey]
CANARY = "sk-canary-5e5a1d0f6c0b4d0e9f1d2c3b4a59QrSt"
OPENAI_ORIGIN = "https://api.openai.com:443"

pytestmark = pytest.mark.django_db


@pytest.fixture
def api_key(make_key: MakeKey) -> ApiKey:
    return make_key("canary", secrets={"api_key": CANARY})


def stored(api_key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=api_key.pk)


def open_key(api_key: ApiKey) -> Secrets:
    """Open what is stored for the key, towards wherever the database now says."""
    fresh = stored(api_key)
    return fresh.current.open_for(fresh, towards=fresh.origins())


def refusal_to_open(api_key: ApiKey) -> str:
    with pytest.raises(CannotOpen) as refusal:
        open_key(api_key)
    return str(refusal.value)


def dump() -> str:
    out = StringIO()
    call_command("dumpdata", stdout=out)
    return out.getvalue()


# --- Opaque ------------------------------------------------------------------------------------


def test_what_is_sealed_opens_again(api_key: ApiKey) -> None:
    assert open_key(api_key) == {"api_key": CANARY}


def test_nothing_opens_on_load(api_key: ApiKey, settings: Any) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    version = CredentialVersion.objects.get(api_key=api_key)

    assert type(version.sealed) is Sealed


@pytest.mark.parametrize("plaintext", [CANARY, CANARY.encode(), {"api_key": CANARY}, ""])
def test_plaintext_cannot_be_assigned(api_key: ApiKey, plaintext: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        api_key.current.sealed = plaintext

    assert "canary" not in str(refusal.value)
    with pytest.raises(TypeError):
        CredentialVersion(api_key=api_key, sealed=plaintext)


def test_plaintext_cannot_be_written_past_the_model(api_key: ApiKey) -> None:
    with pytest.raises((TypeError, AttributeError)) as refusal, transaction.atomic():
        CredentialVersion.objects.update(sealed=CANARY)

    assert "canary" not in str(refusal.value)
    assert open_key(api_key) == {"api_key": CANARY}


@pytest.mark.parametrize("show", [repr, str, format, "%s".__mod__, "{0!r}".format])
def test_a_sealed_value_shows_nothing(api_key: ApiKey, show: Callable[[Any], str]) -> None:
    assert show(stored(api_key).current.sealed) == "<Sealed>"


@pytest.mark.parametrize("show", [repr, str, format, "{0!r}".format, "{0}".format])
def test_credentials_in_the_clear_show_only_their_names(show: Callable[[Any], str]) -> None:
    assert show(Secrets(api_key=CANARY)) == "<Secrets: api_key>"


def test_credentials_in_the_clear_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("%s and %r", Secrets(api_key=CANARY), [Secrets(a=CANARY)])

    assert "canary" not in caplog.text


def test_credentials_in_the_clear_are_not_pickled(draft_key: DraftKey) -> None:
    for carrier in (Secrets(api_key=CANARY), draft_key(secrets={"api_key": CANARY})):
        with pytest.raises(TypeError):
            pickle.dumps(carrier)


def test_a_saved_key_forgets_its_credentials(api_key: ApiKey) -> None:
    assert "canary-" not in repr({**vars(api_key), **vars(api_key.current)})


def test_no_form_shows_a_sealed_value() -> None:
    field = CredentialVersion._meta.get_field("sealed")

    assert field.formfield() is None
    assert "sealed" not in modelform_factory(CredentialVersion, fields="__all__").base_fields


# --- Dumps -------------------------------------------------------------------------------------


def test_no_dump_holds_plaintext(api_key: ApiKey, make_key: MakeKey) -> None:
    make_key(
        "vertex", "vertex_ai", secrets={"vertex_credentials": service_account(client_id=CANARY)}
    )

    text = dump()

    assert "canary-" not in text
    assert "PRIVATE KEY" not in text
    assert api_key.current.sealed.token.decode() in text


def test_no_column_holds_plaintext(api_key: ApiKey) -> None:
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            values = [bytes(v) if isinstance(v, memoryview) else v for row in cursor for v in row]
        assert "canary-" not in repr(values), table


def test_a_dump_restores_the_keys(api_key: ApiKey, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    call_command("dumpdata", "apikeys", exclude=["accounts.auditevent"], output=str(file))
    ApiKey.objects.all().delete()
    FingerprintKey.objects.all().delete()

    call_command("loaddata", str(file), verbosity=0)

    assert open_key(api_key) == {"api_key": CANARY}
    assert stored(api_key).current.hint == "QrSt"


def test_a_dump_with_plaintext_is_not_loaded(api_key: ApiKey, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    call_command("dumpdata", "apikeys.credentialversion", output=str(file))
    [row] = json.loads(file.read_text())
    row["fields"]["sealed"] = OPENAI_KEY
    file.write_text(json.dumps([row]))

    with pytest.raises(DeserializationError, match="not a sealed value"):
        call_command("loaddata", str(file), verbosity=0)

    assert open_key(api_key) == {"api_key": CANARY}


# --- Bound to row and origin -------------------------------------------------------------------


def test_a_token_moved_to_another_key_is_not_opened(api_key: ApiKey, make_key: MakeKey) -> None:
    other = make_key("other")

    CredentialVersion.objects.filter(api_key=other).update(sealed=api_key.current.sealed)

    assert "another key" in refusal_to_open(other)


def test_a_token_moved_to_another_version_of_the_same_key_is_not_opened(api_key: ApiKey) -> None:
    copy = CredentialVersion.objects.create(
        api_key=api_key, sealed=api_key.current.sealed, master_key="", created_by="eve"
    )

    ApiKey.objects.filter(pk=api_key.pk).update(current=copy)

    assert "another key" in refusal_to_open(api_key)


def test_a_key_that_points_at_the_version_of_another_is_not_opened(
    api_key: ApiKey, make_key: MakeKey
) -> None:
    other = make_key("other")

    ApiKey.objects.filter(pk=other.pk).update(current=api_key.current)

    assert "another key" in refusal_to_open(other)


def test_a_version_given_to_another_key_is_not_opened(api_key: ApiKey, make_key: MakeKey) -> None:
    other = make_key("other")

    CredentialVersion.objects.filter(pk=api_key.current_id).update(api_key=other)
    ApiKey.objects.filter(pk=other.pk).update(current=api_key.current)

    assert "another key" in refusal_to_open(other)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "https://api.openai.com:8443/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.example/v1",
        "https://api.openai.com@evil.example/v1",
    ],
)
def test_an_address_changed_in_the_database_prevents_decryption(api_key: ApiKey, url: str) -> None:
    ApiKey.objects.filter(pk=api_key.pk).update(config={"api_base": url})

    assert "not encrypted for" in refusal_to_open(api_key)
    assert "not encrypted for" in stored(api_key).unreadable_because()


def test_a_path_changed_in_the_database_is_still_the_same_origin(api_key: ApiKey) -> None:
    ApiKey.objects.filter(pk=api_key.pk).update(config={"api_base": "https://API.openai.com/v2"})

    assert open_key(api_key) == {"api_key": CANARY}


@pytest.mark.parametrize("where", ["base_url", "token", "verify"])
def test_a_method_changed_in_the_database_prevents_decryption(
    make_key: MakeKey, where: str
) -> None:
    api_key = make_key("m2m", "databricks", "oauth_m2m", secrets={"client_secret": CANARY})
    scheme = AuthScheme.objects.get(pk=api_key.scheme_id)
    url = "https://evil.example/"
    match where:
        case "base_url":
            scheme.transport["base_url"] = url
        case "token":
            scheme.transport["token"]["url"] = url
        case "verify":
            scheme.verify["url"] = url

    AuthScheme.objects.filter(pk=scheme.pk).update(transport=scheme.transport, verify=scheme.verify)

    assert "https://evil.example:443" in refusal_to_open(api_key)


def test_a_key_moved_to_another_method_in_the_database_is_not_opened(api_key: ApiKey) -> None:
    anthropic = AuthScheme.objects.get(provider__slug="anthropic")

    ApiKey.objects.filter(pk=api_key.pk).update(
        scheme=anthropic, config={"api_base": "https://api.anthropic.com"}
    )

    assert "not encrypted for" in refusal_to_open(api_key)


def test_credentials_do_not_open_for_somewhere_else(api_key: ApiKey) -> None:
    for role in Role:
        towards = {**api_key.origins(), role: "https://evil.example:443"}
        with pytest.raises(CannotOpen, match="not encrypted for"):
            api_key.current.open_for(api_key, towards=towards)


# --- Master keys -------------------------------------------------------------------------------


def test_the_first_master_key_seals_and_all_open(
    api_key: ApiKey, make_key: MakeKey, settings: Any
) -> None:
    [old] = settings.FERNET_KEYS
    new = Fernet.generate_key().decode()
    settings.FERNET_KEYS = [new, old]

    later = make_key("later")

    token = stored(later).current.sealed.token
    assert open_key(api_key) == {"api_key": CANARY}
    assert open_key(later) == {"api_key": OPENAI_KEY}
    assert later.current.master_key == fingerprint_of(new) != api_key.current.master_key
    assert Fernet(new).decrypt(token)
    with pytest.raises(InvalidToken):
        Fernet(old).decrypt(token)


def test_one_unreadable_key_is_reported_and_all_others_are_resealed(
    api_key: ApiKey, make_key: MakeKey, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    other = make_key("other")

    keys = {key.name: key for key in ApiKey.objects.with_details()}

    assert (keys["canary"].is_readable(), keys["other"].is_readable()) == (False, True)
    assert "No configured master key decrypts" in refusal_to_open(api_key)
    assert "No configured master key decrypts" in keys["canary"].unreadable_because()
    assert open_key(other) == {"api_key": OPENAI_KEY}


def corrupt(token: bytes, how: str) -> bytes:
    middle = len(token) // 2
    flipped = b"A" if token[middle : middle + 1] != b"A" else b"B"
    return {
        "cut": token[:-20],
        "cut in half": token[:middle],
        "one character changed": token[:middle] + flipped + token[middle + 1 :],
        "empty": b"",
        "not base64": b"\xff\xfe\x00",
        "a beginning": b"gAAAAA",
    }[how]


@pytest.mark.parametrize(
    "how", ["cut", "cut in half", "one character changed", "empty", "not base64", "a beginning"]
)
def test_a_damaged_token_is_unreadable_and_reveals_nothing(api_key: ApiKey, how: str) -> None:
    damaged = Sealed(corrupt(api_key.current.sealed.token, how))

    CredentialVersion.objects.filter(api_key=api_key).update(sealed=damaged)

    assert not stored(api_key).is_readable()
    assert refusal_to_open(api_key) == "No configured master key decrypts these credentials."


@pytest.mark.parametrize(
    "payload",
    [
        b"not JSON",
        b"[]",
        b'"text"',
        b"{}",
        b'{"v":2}',
        b'{"v":2,"owner":"","origins":{},"secret":"x"}',
        b'{"v":2,"owner":"","origins":[],"secret":{}}',
    ],
)
def test_a_token_that_others_made_with_the_master_key_is_not_opened(
    api_key: ApiKey, settings: Any, payload: bytes
) -> None:
    foreign = Sealed(Fernet(settings.FERNET_KEYS[0]).encrypt(payload))

    CredentialVersion.objects.filter(api_key=api_key).update(sealed=foreign)

    refusal_to_open(api_key)


@pytest.mark.parametrize(("version", "origins", "age"), [(1, [], "older"), (3, {}, "newer")])
def test_a_token_of_another_version_of_gatehouse_is_not_opened(
    settings: Any, version: int, origins: Any, age: str
) -> None:
    payload = {"v": version, "owner": "a", "origins": origins, "secret": {"api_key": CANARY}}
    sealed = Sealed(Fernet(settings.FERNET_KEYS[0]).encrypt(json.dumps(payload).encode()))

    with pytest.raises(CannotOpen, match=f"encrypted by an? {age} version of Gatehouse"):
        open_sealed(sealed, owner="a", towards={})


def other_spellings(token: bytes) -> dict[str, bytes]:
    """Return texts that Python's base64 decodes to the same bytes as ``token``."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = token.rstrip(b"=")[-1:]
    neighbor = alphabet[alphabet.index(last) ^ 1 :][:1]
    return {
        "more behind it": token + b"AAAA",
        "more padding": token + b"=",
        "a line end": token + b"\n",
        "a space within": token[:20] + b" " + token[20:],
        "a strange character": token[:20] + b"\xff" + token[20:],
        "other padding bits": token.rstrip(b"=")[:-1] + neighbor + b"=" * token.count(b"="),
    }


@pytest.mark.parametrize("spelling", other_spellings(b"A="))
def test_a_token_opens_in_its_own_spelling_alone(spelling: str) -> None:
    sealed = seal({"a": CANARY}, owner="o", origins={})
    assert sealed.token.endswith(b"=")
    other = Sealed(other_spellings(sealed.token)[spelling])
    assert other.token != sealed.token
    assert open_sealed(sealed, owner="o", towards={}) == {"a": CANARY}

    assert not master_keys().recognize(other)
    assert reseal(other) is None
    assert not opens_with_primary(other)
    with pytest.raises(CannotOpen, match="No configured master key decrypts"):
        open_sealed(other, owner="o", towards={})


def test_destroyed_credentials_are_not_opened(api_key: ApiKey) -> None:
    api_key.current.destroy()

    assert "destroyed" in refusal_to_open(api_key)
    assert not stored(api_key).is_readable()
    assert (stored(api_key).current.hint, stored(api_key).current.fingerprint) == ("", "")


def test_without_master_keys_nothing_is_sealed(
    draft_key: DraftKey, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = []

    with pytest.raises(ValueError, match="at least one Fernet"):
        create_api_key(draft_key(), by=by)

    assert not ApiKey.objects.exists()


def test_the_secret_key_of_django_opens_nothing(api_key: ApiKey, settings: Any) -> None:
    """What the package would fall back to, did we let it."""
    fallback = derive_fernet_key(settings.SECRET_KEY)
    foreign = Sealed(Fernet(fallback).encrypt(b"{}"))

    with pytest.raises(InvalidToken):
        Fernet(fallback).decrypt(api_key.current.sealed.token)
    with pytest.raises(CannotOpen, match="No configured master key decrypts"):
        open_sealed(foreign, owner="", towards={})


# --- What is visible from outside -------------------------------------------------------------


def token_length(secret: str) -> int:
    owner = "00000000-0000-0000-0000-000000000000/00000000-0000-0000-0000-000000000001:sealed"
    return len(seal({"api_key": secret}, owner=owner, origins={Role.API: OPENAI_ORIGIN}).token)


def test_the_length_of_a_token_reveals_little_about_the_length_of_the_secret() -> None:
    lengths = [token_length("x" * size) for size in range(1, 201)]

    assert len(set(lengths)) <= 2
    assert token_length("x" * 300) > min(lengths)


def test_two_seals_of_one_secret_have_nothing_in_common() -> None:
    one, two = (seal({"a": CANARY}, owner="o", origins={}).token for _ in range(2))

    assert urlsafe_b64decode(one)[9:25] != urlsafe_b64decode(two)[9:25]
    assert one[40:] != two[40:]


def test_equal_credentials_have_one_fingerprint_that_needs_the_key_to_compute(
    api_key: ApiKey, make_key: MakeKey
) -> None:
    twin, other = make_key("twin", secrets={"api_key": CANARY}), make_key("other")

    mine = api_key.current.fingerprint
    assert mine == twin.current.fingerprint != other.current.fingerprint
    plain = [CANARY, json.dumps([CANARY]), json.dumps({"api_key": CANARY})]
    assert mine not in [sha256(text.encode()).hexdigest() for text in plain]


def test_the_key_of_the_fingerprints_is_sealed_itself(api_key: ApiKey) -> None:
    row = FingerprintKey.objects.get()

    assert type(row.sealed) is Sealed
    assert FingerprintKey.get().hex() not in dump()
    with pytest.raises(CannotOpen):
        open_sealed(row.sealed, owner=api_key.current.owner(api_key.pk), towards={})


def test_credentials_do_not_pass_for_the_key_of_the_fingerprints(api_key: ApiKey) -> None:
    FingerprintKey.objects.update(sealed=api_key.current.sealed)

    with pytest.raises(CannotOpen, match="another key"):
        FingerprintKey.get()


def test_keys_are_sealed_even_where_the_key_of_the_fingerprints_is_lost(
    api_key: ApiKey, make_key: MakeKey, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]

    other = make_key("other", secrets={"api_key": CANARY})

    assert other.current.fingerprint == ""
    assert open_key(other) == {"api_key": CANARY}


@pytest.mark.parametrize(
    ("secret", "hint"),
    [("x" * 16 + "abcd", "abcd"), ("x" * 15 + "abcd", ""), ("efghabcd", ""), (CANARY, "QrSt")],
)
def test_the_hint_is_the_end_of_a_long_secret_and_nothing_of_a_short_one(
    make_key: MakeKey, secret: str, hint: str
) -> None:
    assert make_key(secrets={"api_key": secret}).current.hint == hint


def test_the_hint_of_a_service_account_names_its_key(make_key: MakeKey) -> None:
    assert make_key("vertex", "vertex_ai").current.hint == "beef"


def test_a_document_has_no_hint(make_key: MakeKey) -> None:
    assert make_key("oci", "oci").current.hint == ""


def test_an_own_method_may_ask_for_any_hint(openai: AuthScheme, make_key: MakeKey) -> None:
    """Its author thought of JSON; a user pastes something else."""
    field = {"name": "api_key", "label": "Key", "secret": True, "required": True, "hint": "id"}
    AuthScheme.objects.create(
        provider=openai.provider,
        slug="own",
        name="Own",
        fields=[field],
        transport={"base_url": "https://ai.acme.example"},
    )

    try:
        hint = make_key("own", "openai", "own").current.hint
    except ValidationError:
        return

    assert hint == ""
