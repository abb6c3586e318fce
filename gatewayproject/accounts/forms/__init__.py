"""The filter of audit events, and forms that merge concurrent edits."""
