"""The group that manages keys."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.migrations import CreateModel, Migration
from django.test import Client

from gatewayproject.accounts.groups import create_key_managers

pytestmark = pytest.mark.django_db

MANAGED = ["apikeys.apikey", "endpoints.endpoint", "endpoints.route", "endpoints.gatewaytoken"]


def test_key_managers_have_all_permissions_on_keys_and_endpoints_and_no_others() -> None:
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


def test_a_migration_keeps_an_operators_changes_to_the_group() -> None:
    group = Group.objects.get(name="Key managers")
    group.permissions.set(Permission.objects.filter(codename="view_apikey"))

    call_command("migrate", verbosity=0)

    assert [permission.codename for permission in group.permissions.all()] == ["view_apikey"]


def test_an_upgrade_adds_permissions_only_for_new_models() -> None:
    group = Group.objects.get(name="Key managers")
    group.permissions.set(Permission.objects.filter(codename="view_apikey"))
    upgrade = Migration("0002_tokens", "endpoints")
    upgrade.operations = [CreateModel("GatewayToken", fields=[])]

    create_key_managers("default", plan=[(upgrade, False)])

    assert set(group.permissions.values_list("codename", flat=True)) == {
        "view_apikey",
        *(f"{act}_gatewaytoken" for act in ("add", "change", "delete", "view")),
    }


@pytest.mark.parametrize("path", ["/api-keys/new/", "/endpoints/new/", "/tokens/new/"])
def test_members_can_create_and_others_can_only_read(anonymous: Client, path: str) -> None:
    person = User.objects.create_user("mia")
    anonymous.force_login(person)
    assert anonymous.get("/api-keys/").status_code == 200
    assert anonymous.get(path).status_code == 403

    person.groups.add(Group.objects.get(name="Key managers"))

    assert anonymous.get(path).status_code == 200
