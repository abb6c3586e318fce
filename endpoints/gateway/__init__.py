"""The gateway: applications call endpoints by name, and never see a key.

``app`` takes a request through the others: ``calls`` (what is asked for), ``headers`` and
``bodies`` (what came with it), ``directory`` (who may, and which routes there are), ``relay`` and
``routing`` (which route is tried when), ``attempt`` (one route: ``plans`` says where to,
``signing`` with which credential, ``upstream`` sends), ``tally`` and ``usage`` (what it took).
``watch`` ends what takes too long. ``checking`` tests a key outside of any request.
"""
