"""Audit events, which the database itself refuses to change."""

from typing import Any

import django.utils.timezone
from django.db import migrations, models

POSTGRESQL = """
CREATE FUNCTION accounts_auditevent_is_final() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit events cannot be changed'; END $$;
CREATE TRIGGER accounts_auditevent_is_final BEFORE UPDATE ON accounts_auditevent
    FOR EACH ROW EXECUTE FUNCTION accounts_auditevent_is_final();
"""
POSTGRESQL_BACK = """
DROP TRIGGER accounts_auditevent_is_final ON accounts_auditevent;
DROP FUNCTION accounts_auditevent_is_final();
"""
SQLITE = """
CREATE TRIGGER accounts_auditevent_is_final BEFORE UPDATE ON accounts_auditevent
BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed'); END;
"""
SQLITE_BACK = "DROP TRIGGER accounts_auditevent_is_final;"


def forwards(apps: Any, schema_editor: Any) -> None:
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(POSTGRESQL if postgresql else SQLITE)


def backwards(apps: Any, schema_editor: Any) -> None:
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(POSTGRESQL_BACK if postgresql else SQLITE_BACK)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("actor", models.CharField(max_length=150)),
                ("actor_id", models.BigIntegerField(null=True)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("page", "Web"),
                            ("admin", "Admin"),
                            ("command", "Command line"),
                            ("gateway", "Gateway"),
                        ],
                        max_length=10,
                    ),
                ),
                ("address", models.CharField(blank=True, max_length=45)),
                ("act", models.CharField(max_length=30)),
                ("subject_type", models.CharField(max_length=30)),
                ("subject_id", models.CharField(max_length=36)),
                ("subject_name", models.CharField(max_length=120)),
                ("fields", models.JSONField(default=list)),
                ("note", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["-at", "-id"], name="accounts_event_newest"),
                    models.Index(
                        fields=["subject_type", "subject_id", "-at"], name="accounts_event_subject"
                    ),
                    models.Index(fields=["actor", "-at", "-id"], name="accounts_event_actor"),
                    models.Index(fields=["act", "-at", "-id"], name="accounts_event_act"),
                    models.Index(fields=["subject_type", "-at", "-id"], name="accounts_event_kind"),
                ],
            },
        ),
        migrations.RunPython(forwards, backwards),
    ]
