"""Usage: counted by the gateway, stored by the hour, shown on pages and as metrics."""
