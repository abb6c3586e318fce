import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("apikeys", "0001_initial"),
        ("endpoints", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageBucket",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("model", models.CharField(max_length=200)),
                ("last_at", models.DateTimeField()),
                ("last_success_at", models.DateTimeField(null=True)),
                ("last_failure_at", models.DateTimeField(null=True)),
                ("failures_in_a_row", models.PositiveBigIntegerField(default=0)),
                ("requests", models.PositiveBigIntegerField(default=0)),
                ("client_errors", models.PositiveBigIntegerField(default=0)),
                ("rate_limited", models.PositiveBigIntegerField(default=0)),
                ("refused", models.PositiveBigIntegerField(default=0)),
                ("account_errors", models.PositiveBigIntegerField(default=0)),
                ("provider_errors", models.PositiveBigIntegerField(default=0)),
                ("unreachable", models.PositiveBigIntegerField(default=0)),
                ("canceled", models.PositiveBigIntegerField(default=0)),
                ("input_tokens", models.PositiveBigIntegerField(default=0)),
                ("output_tokens", models.PositiveBigIntegerField(default=0)),
                ("cached_tokens", models.PositiveBigIntegerField(default=0)),
                ("duration_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_ms", models.PositiveBigIntegerField(default=0)),
                ("within_50_ms", models.PositiveBigIntegerField(default=0)),
                ("within_100_ms", models.PositiveBigIntegerField(default=0)),
                ("within_200_ms", models.PositiveBigIntegerField(default=0)),
                ("within_400_ms", models.PositiveBigIntegerField(default=0)),
                ("within_800_ms", models.PositiveBigIntegerField(default=0)),
                ("within_1600_ms", models.PositiveBigIntegerField(default=0)),
                ("within_3200_ms", models.PositiveBigIntegerField(default=0)),
                ("within_6400_ms", models.PositiveBigIntegerField(default=0)),
                ("within_12800_ms", models.PositiveBigIntegerField(default=0)),
                ("within_25600_ms", models.PositiveBigIntegerField(default=0)),
                ("within_51200_ms", models.PositiveBigIntegerField(default=0)),
                ("slower", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_50_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_100_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_200_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_400_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_800_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_1600_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_3200_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_6400_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_12800_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_25600_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_within_51200_ms", models.PositiveBigIntegerField(default=0)),
                ("first_byte_slower", models.PositiveBigIntegerField(default=0)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="apikeys.apikey",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="endpoints.endpoint",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="endpoints.route",
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="endpoints.gatewaytoken",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["endpoint", "hour"], name="usage_endpoint"),
                    models.Index(fields=["api_key", "hour"], name="usage_key"),
                    models.Index(fields=["token", "hour"], name="usage_token"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "endpoint", "route", "api_key", "token", "model"),
                        name="usage_unique",
                    )
                ],
            },
        ),
    ]
