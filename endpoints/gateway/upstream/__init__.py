"""The client that talks to providers, and what keeps credentials out of responses."""
