"""Alusus programs as shared libraries, whose functions serve WebSockets of a Python server.

    library = alusus.build("chat.alusus")
    server.websocket("/chat", native=NativeHandlers.load(library, data="onData"))

A function that is to be found needs a C name: `@expname[onData] func onData(...)`. One process can
hold one such library, as the compiler's own runtime functions are in each.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import HttpError

__all__ = ["BuildError", "build"]

_PROGRAM = """\
import "Spp.alusus";
import "{source}";
Spp.buildMgr.buildObjectFileForElement({module}~ast, "{object_file}", "{target}");
"""


class BuildError(HttpError):
    """The library could not be built; the message says what is missing or went wrong."""


def build(
    source: str | os.PathLike[str],
    *,
    module: str | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Compile a module of an Alusus program to a shared library.

    The compiler runs the program's statements outside of functions, so it must not start a server
    there.

    Args:
        source: The program.
        module: The module to compile; without this, the one that is called as the file is, with a
            capital: `Chat` of chat.alusus.
        output: The library; without this, libchat.so beside chat.alusus.

    Returns:
        Where the library is.

    Raises:
        BuildError: The command `alusus` or a C compiler is missing, or one of them fails.
        FileNotFoundError: There is no such program.
    """
    path = Path(source).resolve()
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such program", str(path))
    library = (
        Path(output).absolute() if output is not None else path.with_name(f"lib{path.stem}.so")
    )
    compiler = _find("alusus", "the Alusus compiler, from alusus.org")
    linker = _find(os.environ.get("CC", "cc"), "a C compiler, which links the library")
    with tempfile.TemporaryDirectory() as folder:
        object_file, program = Path(folder, "module.o"), Path(folder, "build.alusus")
        program.write_text(
            _PROGRAM.format(
                source=path,
                module=module or path.stem[:1].upper() + path.stem[1:],
                object_file=object_file,
                # Code that runs wherever it is loaded comes for this system alone; what it is
                # called in the object file is ELF, as for Linux.
                target=f"{platform.machine()}-unknown-darwin-elf",
            ),
            encoding="utf-8",
        )
        output_text = _run([compiler, program], path.parent)
        # The compiler exits with 0 after an error in the program.
        if "ERROR " in output_text or not object_file.exists():
            raise BuildError(f"{path} could not be compiled; alusus says:\n{output_text}")
        _run([linker, "-shared", "-Wl,-Bsymbolic", object_file, "-o", library], path.parent)
    return library


def _find(command: str, what: str) -> str:
    found = shutil.which(command)
    if found is None:
        raise BuildError(f'there is no command "{command}" on the PATH: it is {what}')
    return found


def _run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"{command[0]} ended with {done.returncode} and says:\n{done.stdout}")
    return done.stdout
