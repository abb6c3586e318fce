import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import apikeys.models.shallow_json
import apikeys.sealing
import gatewayproject.console.naming


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuthScheme",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=40)),
                (
                    "name",
                    models.CharField(
                        max_length=80, validators=[gatewayproject.console.naming.validate_one_line]
                    ),
                ),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "ambient",
                    models.BooleanField(
                        default=False,
                        help_text="No credentials are entered or stored.",
                        verbose_name="uses this server's own identity",
                    ),
                ),
                (
                    "fields",
                    models.JSONField(
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=list,
                        help_text="The fields to fill in: a list of field declarations.",
                    ),
                ),
                (
                    "transport",
                    models.JSONField(
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=dict,
                        help_text='How credentials are sent: "base_url", "headers", "signer", "token". '
                        'What errors of the provider mean: "errors".',
                    ),
                ),
                (
                    "verify",
                    models.JSONField(
                        blank=True,
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=dict,
                        help_text="A free call that tests the credentials.",
                    ),
                ),
                ("built_in", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "verbose_name": "authentication method",
                "ordering": ["position", "id"],
            },
        ),
        migrations.CreateModel(
            name="FingerprintKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.UUID("00000000-0000-0000-0000-000000000001"),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("sealed", apikeys.sealing.SealedField(editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="MasterKey",
            fields=[
                ("fingerprint", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Provider",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=40, unique=True)),
                (
                    "name",
                    models.CharField(
                        max_length=80,
                        unique=True,
                        validators=[gatewayproject.console.naming.validate_one_line],
                    ),
                ),
                (
                    "group",
                    models.CharField(
                        choices=[
                            ("common", "Common"),
                            ("more", "More providers"),
                            ("self_hosted", "Self-hosted"),
                            ("gateway", "Other gateways"),
                        ],
                        default="self_hosted",
                        max_length=20,
                    ),
                ),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=1000, help_text="Lower comes first in its group."
                    ),
                ),
                (
                    "base_url",
                    models.CharField(blank=True, max_length=200, verbose_name="default base URL"),
                ),
                (
                    "keys_url",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[
                            django.core.validators.URLValidator(
                                message="Enter a full URL that begins with https://.",
                                schemes=["https"],
                            )
                        ],
                        verbose_name="page for creating keys",
                    ),
                ),
                (
                    "revoke_url",
                    models.CharField(
                        blank=True,
                        help_text="Only if different.",
                        max_length=200,
                        validators=[
                            django.core.validators.URLValidator(
                                message="Enter a full URL that begins with https://.",
                                schemes=["https"],
                            )
                        ],
                        verbose_name="page for revoking keys",
                    ),
                ),
                (
                    "aliases",
                    models.JSONField(
                        blank=True,
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=list,
                        help_text="Other names to find it by.",
                    ),
                ),
                (
                    "facts",
                    models.JSONField(
                        blank=True,
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=dict,
                        help_text="Key patterns and other base URLs.",
                    ),
                ),
                ("built_in", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "ordering": ["position", "name"],
            },
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
            options={
                "ordering": ["host", "pid"],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
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
                    "config",
                    models.JSONField(
                        blank=True, decoder=apikeys.models.shallow_json.ShallowDecoder, default=dict
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        choices=[
                            ("production", "Production"),
                            ("staging", "Staging"),
                            ("development", "Development"),
                        ],
                        db_index=True,
                        default="production",
                        max_length=12,
                    ),
                ),
                (
                    "team",
                    models.CharField(
                        blank=True,
                        max_length=80,
                        validators=[gatewayproject.console.naming.validate_one_line],
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
                ("enabled", models.BooleanField(default=True, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                (
                    "rotate_every_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Days after which the key is marked Due.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3650),
                        ],
                        verbose_name="rotation reminder",
                    ),
                ),
                (
                    "expiry_notice_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Days before it expires. Empty: EXPIRY_NOTICE_DAYS.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(365)],
                        verbose_name="expiry notice",
                    ),
                ),
                (
                    "notice_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="expiring"),
                ),
                ("due_at", models.DateTimeField(editable=False, null=True, verbose_name="due")),
                (
                    "overdue_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="overdue"),
                ),
                (
                    "credentials_changed_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        editable=False,
                        verbose_name="last updated",
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="last used"),
                ),
                ("search_key", models.TextField(default="", editable=False)),
                (
                    "refused_at",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="refused by provider"
                    ),
                ),
                (
                    "refusal_seen_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="last refused"),
                ),
                ("restricted", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("created_by", models.CharField(blank=True, editable=False, max_length=150)),
                ("rev", models.PositiveIntegerField(default=1, editable=False)),
                (
                    "scheme",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="apikeys.authscheme",
                        verbose_name="authentication method",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
            },
        ),
        migrations.CreateModel(
            name="CredentialVersion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sealed", apikeys.sealing.SealedField(editable=False, null=True)),
                (
                    "master_key",
                    models.CharField(help_text="Fingerprint of the master key.", max_length=16),
                ),
                (
                    "parts",
                    models.JSONField(
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=list,
                        help_text="Names of the secret fields stored here.",
                    ),
                ),
                (
                    "changes",
                    models.JSONField(
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        help_text="Names of the secret fields that staging changed.",
                        null=True,
                    ),
                ),
                (
                    "uncensored",
                    models.JSONField(
                        decoder=apikeys.models.shallow_json.ShallowDecoder,
                        default=list,
                        help_text="Secret fields and headers that are not removed from responses.",
                    ),
                ),
                ("hint", models.CharField(blank=True, max_length=4)),
                ("fingerprint", models.CharField(blank=True, db_index=True, max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=150)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("tested_at", models.DateTimeField(blank=True, null=True)),
                (
                    "test_outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("works", "Test passed"),
                            ("refused", "Test refused"),
                            ("limited", "Test not permitted"),
                            ("no_credit", "No credit left"),
                            ("rate_limited", "Test rate limited"),
                            ("unreachable", "Test could not connect"),
                            ("uncheckable", "Not verifiable"),
                            ("unclear", "Test inconclusive"),
                        ],
                        max_length=20,
                    ),
                ),
                ("replaced_at", models.DateTimeField(blank=True, null=True)),
                ("destroyed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "api_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="apikeys.apikey",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddField(
            model_name="apikey",
            name="current",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="apikeys.credentialversion",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="pending",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="apikeys.credentialversion",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="previous",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="apikeys.credentialversion",
            ),
        ),
        migrations.AddField(
            model_name="authscheme",
            name="provider",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="schemes",
                to="apikeys.provider",
            ),
        ),
        migrations.AddIndex(
            model_name="credentialversion",
            index=models.Index(
                condition=models.Q(("sealed__isnull", False)),
                fields=["master_key"],
                name="apikeys_version_sealed_under",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                fields=["name_key", "scheme", "environment", "id", "search_key"],
                name="apikeys_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["team", "scheme"], name="apikeys_by_team"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                fields=["expires_at", "name_key", "id", "notice_at"], name="apikeys_by_expires"
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                fields=["last_used_at", "name_key", "id", "created_at"], name="apikeys_by_last_used"
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                fields=["-credentials_changed_at", "-id"], name="apikeys_by_updated"
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["-created_at", "-id"], name="apikeys_by_created"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("refused_at__isnull", False)),
                fields=["refused_at", "name_key", "id"],
                name="apikeys_by_refused",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at", "overdue_at", "expires_at", "name_key", "id"],
                name="apikeys_by_due",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("overdue_at__isnull", False)),
                fields=["overdue_at", "name_key", "id"],
                name="apikeys_by_overdue",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("enabled", False)),
                fields=["name_key", "id"],
                name="apikeys_disabled",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("restricted", True)),
                fields=["name_key", "id"],
                name="apikeys_restricted",
            ),
        ),
        migrations.AddConstraint(
            model_name="authscheme",
            constraint=models.UniqueConstraint(
                fields=("provider", "slug"), name="apikeys_scheme_unique_slug"
            ),
        ),
        migrations.CreateModel(
            name="Restriction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(blank=True, max_length=200)),
                ("operation", models.CharField(blank=True, max_length=160)),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("wrong_key", "Wrong key"),
                            ("not_permitted", "No permission"),
                            ("model_missing", "Model not found"),
                            ("no_credit", "Out of credit"),
                            ("location", "Location not supported"),
                            ("challenge", "Blocked by a firewall"),
                            ("moderated", "Request refused for its content"),
                        ],
                        max_length=20,
                    ),
                ),
                ("status", models.PositiveSmallIntegerField()),
                ("code", models.CharField(blank=True, max_length=100)),
                ("since", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="restrictions",
                        to="apikeys.credentialversion",
                    ),
                ),
            ],
            options={
                "ordering": ["model", "operation"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "model", "operation"), name="apikeys_restriction_unique"
                    )
                ],
            },
        ),
    ]
