"""The forms of the endpoints app."""
