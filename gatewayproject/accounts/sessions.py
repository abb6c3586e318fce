"""Sessions that expire by the database's clock, so that no host's clock ends or extends them."""

from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import connection
from django.db.models.functions import Now


class SessionStore(db.SessionStore):
    """On SQLite, the host's clock is the database's."""

    def load(self) -> dict[str, Any]:
        if connection.vendor == "sqlite":
            return super().load()
        found = self.model.objects.filter(session_key=self.session_key, expire_date__gt=Now())
        session = found.first() if self.session_key else None
        if session is None:
            self._session_key = None
            return {}
        return self.decode(session.session_data)

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        session = super().create_model_instance(data)
        if connection.vendor != "sqlite":
            session.expire_date = Now() + timedelta(seconds=self.get_expiry_age())
        return session
