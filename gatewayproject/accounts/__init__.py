"""People and what they did: sign-in, groups, actors and audit events."""
