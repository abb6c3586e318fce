"""The app for accounts and audit events."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "gatewayproject.accounts"
    label = "accounts"
