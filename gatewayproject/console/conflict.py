"""Two users or processes changed the same row."""


class Conflict(Exception):
    """Someone else changed the row since it was read."""
