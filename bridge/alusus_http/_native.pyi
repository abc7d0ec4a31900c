"""The extension that cffi makes of `_cdef.h`."""

from typing import Any

ffi: Any
lib: Any
