"""Audit events."""

from .audit_event import AuditEvent, AuditEventQuerySet, attach_subjects, group_events

__all__ = ["AuditEvent", "AuditEventQuerySet", "attach_subjects", "group_events"]
