"""Usage as pages show it: a few numbers, and charts."""
