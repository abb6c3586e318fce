"""Which route is tried when, and what happens on it."""
