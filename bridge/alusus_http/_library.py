"""The server library: found, checked against this package, and handed to the other modules."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _contract
from .errors import ContractError

try:
    from ._native import ffi, lib
except ImportError as error:
    raise ImportError(
        f"alusus_http cannot load its compiled part ({error}). It is built when the package is "
        'installed: run "pip install ." in the project\'s folder.',
        name=error.name,
        path=error.path,
    ) from error

__all__ = ["ffi", "lib"]

_SHOWN = 8  # names in a message: the rest is counted


def check_contract(version: int, checksum: int, declarations: Mapping[str, int]) -> None:
    """Refuse a library whose declarations are not the ones that this package was made for.

    Raises:
        ContractError: The library differs; the message says in what and what to do.
    """
    if lib.ah_contract_version() == version and lib.ah_contract_checksum() == checksum:
        return
    found = {
        ffi.string(lib.ah_contract_name(i)).decode(): lib.ah_contract_entry(i)
        for i in range(lib.ah_contract_size())
    }
    differences = [
        *(
            f"{name} (changed)"
            for name in found
            if declarations.get(name, found[name]) != found[name]
        ),
        *(f"{name} (missing in the library)" for name in declarations if name not in found),
        *(f"{name} (unknown to the package)" for name in found if name not in declarations),
    ]
    shown = ", ".join(differences[:_SHOWN]) or "none by name"
    if len(differences) > _SHOWN:
        shown += f" and {len(differences) - _SHOWN} more"
    path = _loaded_file()
    raise ContractError(
        "alusus_http and its server library come from different versions.\n"
        f"  expected: version {version}, checksum {checksum:016x} ({_contract.__file__})\n"
        f"  found:    version {lib.ah_contract_version()}, "
        f"checksum {lib.ah_contract_checksum():016x} ({path})\n"
        f"  declarations that differ: {shown}\n"
        '  what to do: install both again from one source tree ("pip install --force-reinstall '
        '."), and keep other copies of the library out of LD_LIBRARY_PATH.',
        path=path,
    )


def _loaded_file() -> str:
    """The file that the running process has the library from, as far as the system tells."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            mapped = maps.read().splitlines()
    except OSError:
        mapped = []
    for line in mapped:
        place = line.find("/")
        if place >= 0 and "libalusus_http." in os.path.basename(line[place:]):
            return line[place:]
    return os.path.join(os.path.dirname(__file__), "libalusus_http.so")


check_contract(_contract.VERSION, _contract.CHECKSUM, _contract.DECLARATIONS)
