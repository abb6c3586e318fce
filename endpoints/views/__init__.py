"""The pages of the endpoints app."""
