"""Tests of credentials, outside of any request."""
