"""The gateway: applications call endpoints by name, and never see a key.

``app`` takes a request through the packages: ``http`` (parsing and limits), ``lookup`` (token,
endpoint, routes), ``routing`` (which route is tried when), ``signing`` and ``upstream`` (sending).
``endpoints.usage`` counts it. ``probe`` tests a key outside of any request.
"""
