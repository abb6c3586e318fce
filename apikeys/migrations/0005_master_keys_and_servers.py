import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0004_staged_rotation"),
    ]

    operations = [
        migrations.CreateModel(
            name="MasterKey",
            fields=[
                ("fingerprint", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ServerProcess",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("pid", models.PositiveIntegerField()),
                ("version", models.CharField(max_length=40)),
                ("master_keys", models.JSONField(default=list)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={"ordering": ["host", "pid"]},
        ),
        migrations.AlterField(
            model_name="credentialversion",
            name="master_key",
            field=models.CharField(help_text="Its fingerprint.", max_length=16),
        ),
        migrations.AddIndex(
            model_name="credentialversion",
            index=models.Index(
                condition=models.Q(("sealed__isnull", False)),
                fields=["master_key"],
                name="apikeys_version_sealed_under",
            ),
        ),
    ]
