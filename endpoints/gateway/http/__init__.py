"""The HTTP edge: paths, headers, bodies, limits and problems."""
