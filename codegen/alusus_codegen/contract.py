"""The contract between the library and its faces: a version, and a checksum of each declaration.

A face that was generated from another spec than the library would call it with wrong types. Each
face therefore carries these numbers and compares them with the library's when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

# Raised by hand when something changes that no declaration shows: the meaning of a result, the
# event interface, who frees what.
VERSION = 1


def checksum(*parts: str) -> int:
    """64 bits over the parts, which say all that a caller of the declaration relies on."""
    return int.from_bytes(sha256("\0".join(parts).encode()).digest()[:8], "big")


def total(checksums: Iterable[int]) -> int:
    """One checksum over those of all declarations, whatever their order."""
    return checksum(*(f"{value:016x}" for value in sorted(checksums)))
