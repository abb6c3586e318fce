"""The HTTP server: limits, health, graceful shutdown, and which processes run."""
