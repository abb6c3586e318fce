"""Programs that try to break what must not break. Each prints what it saw."""
