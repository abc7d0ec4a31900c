"""Write the C source of the extension `alusus_http._native` (cffi, API mode).

    python build_cffi.py OUTPUT.c

CMake compiles and links it. The declarations are the generated ones of `alusus_http/_cdef.h`, and
the compiler checks them against the public headers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

HEADERS = ("alusus_http/alusus_http.h", "alusus_http/alusus_http_events.h")


def main(output: str) -> None:
    """Write the extension's C source to the file that `output` names."""
    declarations = Path(__file__).parent / "alusus_http/_cdef.h"
    ffi = FFI()
    ffi.cdef(declarations.read_text(encoding="utf-8"))
    ffi.set_source("alusus_http._native", "".join(f"#include <{name}>\n" for name in HEADERS))
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(sys.argv[1])
