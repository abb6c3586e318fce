"""People with less to say than the key manager."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client


@pytest.fixture
def member(db: None) -> Client:
    """A browser in which a member of the group Key managers is signed in."""
    person = User.objects.create_user("mia")
    person.groups.add(Group.objects.get(name="Key managers"))
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def visitor(db: None) -> Client:
    """A browser in which somebody without any permission is signed in."""
    client = Client()
    client.force_login(User.objects.create_user("vito"))
    return client
