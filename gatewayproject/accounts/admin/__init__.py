"""The admin of audit events, and the base of every audited admin."""

from . import audit_events

__all__ = ["audit_events"]
