"""The admin of the endpoints app."""

from . import endpoints, tokens

__all__ = ["endpoints", "tokens"]
