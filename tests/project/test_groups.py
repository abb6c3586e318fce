"""The group that manages keys."""

from importlib import import_module

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from gatewayproject.groups import create_key_managers

pytestmark = pytest.mark.django_db

MANAGED = ["apikeys.apikey", "endpoints.endpoint", "endpoints.route", "endpoints.gatewaytoken"]


def test_key_managers_may_do_everything_with_keys_and_endpoints_and_nothing_else() -> None:
    group = Group.objects.get(name="Key managers")

    granted = {
        f"{permission.content_type.app_label}.{permission.codename}"
        for permission in group.permissions.select_related("content_type")
    }

    assert granted == {
        model.replace(".", f".{act}_")
        for model in MANAGED
        for act in ("add", "change", "delete", "view")
    }


def test_a_migration_leaves_the_group_as_an_operator_made_it() -> None:
    group = Group.objects.get(name="Key managers")
    group.permissions.set(Permission.objects.filter(codename="view_apikey"))

    call_command("migrate", verbosity=0)

    assert [permission.codename for permission in group.permissions.all()] == ["view_apikey"]


def test_what_an_upgrade_brings_is_granted_and_the_rest_stays_as_an_operator_made_it() -> None:
    group = Group.objects.get(name="Key managers")
    group.permissions.set(Permission.objects.filter(codename="view_apikey"))
    upgrade = import_module("endpoints.migrations.0002_tokens_and_usage").Migration(
        "0002_tokens_and_usage", "endpoints"
    )

    create_key_managers("default", plan=[(upgrade, False)])

    assert set(group.permissions.values_list("codename", flat=True)) == {
        "view_apikey",
        *(f"{act}_gatewaytoken" for act in ("add", "change", "delete", "view")),
    }


@pytest.mark.parametrize("path", ["/api-keys/new/", "/endpoints/new/", "/tokens/new/"])
def test_members_may_create_and_others_may_only_look(anonymous: Client, path: str) -> None:
    person = User.objects.create_user("mia")
    anonymous.force_login(person)
    assert anonymous.get("/api-keys/").status_code == 200
    assert anonymous.get(path).status_code == 403

    person.groups.add(Group.objects.get(name="Key managers"))

    assert anonymous.get(path).status_code == 200
