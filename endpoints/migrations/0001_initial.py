import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import gatewayproject.console.naming


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("apikeys", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\\Z",
                                "Use lower-case letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit.",
                            )
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "sticky",
                    models.BooleanField(
                        default=False,
                        help_text="Shares traffic by conversation instead of by request, so that "
                        "the providers' prompt caches are used.",
                        verbose_name="keep conversations on one route",
                    ),
                ),
                (
                    "description",
                    models.TextField(
                        blank=True,
                        max_length=1000,
                        validators=[
                            gatewayproject.console.naming.validate_printable,
                            django.core.validators.MaxLengthValidator(1000),
                        ],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("created_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "updated_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("rev", models.PositiveIntegerField(default=1, editable=False)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-updated_at", "-id"], name="endpoints_by_updated"),
                    models.Index(fields=["-created_at", "-id"], name="endpoints_by_created"),
                ],
            },
        ),
        migrations.CreateModel(
            name="GatewayToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=80, validators=[gatewayproject.console.naming.validate_one_line]
                    ),
                ),
                ("name_key", models.CharField(editable=False, max_length=240, unique=True)),
                (
                    "digest",
                    models.CharField(
                        editable=False, max_length=64, unique=True, verbose_name="SHA-256"
                    ),
                ),
                ("prefix", models.CharField(editable=False, max_length=9, verbose_name="prefix")),
                (
                    "purpose",
                    models.CharField(
                        choices=[("application", "Application"), ("trial", "Try it")],
                        default="application",
                        editable=False,
                        max_length=11,
                    ),
                ),
                (
                    "all_endpoints",
                    models.BooleanField(
                        default=False,
                        help_text="Including future ones.",
                        verbose_name="all endpoints",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                (
                    "revoked_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="revoked"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
                ("created_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "endpoints",
                    models.ManyToManyField(
                        blank=True, related_name="tokens", to="endpoints.endpoint"
                    ),
                ),
            ],
            options={
                "verbose_name": "gateway token",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        max_length=200, validators=[gatewayproject.console.naming.validate_one_line]
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("primary", "Primary"), ("fallback", "Fallback")],
                        default="primary",
                        max_length=8,
                    ),
                ),
                (
                    "weight",
                    models.PositiveSmallIntegerField(
                        default=100,
                        help_text="Share of requests, in percent.",
                        validators=[django.core.validators.MaxValueValidator(100)],
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "api_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="routes",
                        to="apikeys.apikey",
                        verbose_name="API key",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="routes",
                        to="endpoints.endpoint",
                    ),
                ),
            ],
            options={
                "ordering": ["-kind", "position", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("weight__lte", 100)), name="endpoints_route_weight"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OpenCircuit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(blank=True, max_length=200)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="apikeys.credentialversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "model"), name="endpoints_open_circuit_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StoredObject",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the provider's ID.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "endpoint_number",
                    models.PositiveBigIntegerField(
                        help_text="The ID of the endpoint whose request created it.", null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        help_text="Empty once the API key was deleted.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="apikeys.apikey",
                    ),
                ),
            ],
        ),
    ]
