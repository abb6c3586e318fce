"""The database itself refuses to change an event."""

from django.db import migrations

POSTGRESQL = """
CREATE FUNCTION apikeys_event_is_final() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'events are never changed'; END $$;
CREATE TRIGGER apikeys_event_is_final BEFORE UPDATE ON apikeys_event
    FOR EACH ROW EXECUTE FUNCTION apikeys_event_is_final();
"""
POSTGRESQL_BACK = """
DROP TRIGGER apikeys_event_is_final ON apikeys_event;
DROP FUNCTION apikeys_event_is_final();
"""
SQLITE = """
CREATE TRIGGER apikeys_event_is_final BEFORE UPDATE ON apikeys_event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
"""
SQLITE_BACK = "DROP TRIGGER apikeys_event_is_final;"


def forwards(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(POSTGRESQL if postgresql else SQLITE)


def backwards(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(POSTGRESQL_BACK if postgresql else SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial")]

    operations = [migrations.RunPython(forwards, backwards)]
