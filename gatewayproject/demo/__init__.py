"""Gatehouse without a provider account: an imitation provider on loopback."""
