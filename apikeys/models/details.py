"""The details of an API key, which it has whatever its authentication method is."""

DETAILS = (
    *("name", "environment", "team", "description"),
    *("rotate_every_days", "expires_at", "expiry_notice_days"),
)
