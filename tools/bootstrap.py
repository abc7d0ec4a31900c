#!/usr/bin/env python3
"""Install the system packages that are missing, and only those.

    bootstrap.py run     what building and running needs
    bootstrap.py test    and what the tests need beside that
    bootstrap.py fuzz    or what fuzzing needs beside that
    bootstrap.py bench   or what measuring needs beside that

Something is missing when it cannot be found, whoever was to bring it; so a machine that has
everything is never touched, and one that is no Debian is told what to install. Only the standard
library is used.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

Probe = Callable[[], bool]


def commands(*names: str) -> Probe:
    """Return a probe for commands on the PATH."""
    return lambda: all(shutil.which(name) for name in names)


def compiles(compiler: str, *arguments: str, code: bytes = b"") -> bool:
    """Return whether a compiler is there and takes C code with these arguments."""
    path = shutil.which(compiler)
    if path is None:
        return False
    command = [path, *arguments, "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(command, input=code, capture_output=True).returncode == 0


def header(name: str) -> Probe:
    """Return a probe for a header that the C compiler finds."""
    return lambda: compiles("cc", "-E", "-include", name)


def fuzzer() -> bool:
    """Return whether Clang finds the library that makes a program a fuzzer."""
    code = b"int LLVMFuzzerTestOneInput(const char *d, long size) { return d != 0 && size < 0; }"
    return compiles("clang", "-fsanitize=fuzzer", code=code)


def python_header() -> bool:
    """Return whether this interpreter's headers are there."""
    return Path(sysconfig.get_path("include"), "Python.h").is_file()


def venv() -> bool:
    """Return whether this interpreter can make virtual environments (Debian: a package)."""
    return importlib.util.find_spec("ensurepip") is not None


# Debian package -> whether what it brings is there.
RUN: dict[str, Probe] = {
    "build-essential": commands("cc", "g++", "make", "dpkg-source"),
    "cmake": commands("cmake"),
    "ninja-build": commands("ninja"),
    "libssl-dev": header("openssl/ssl.h"),
    "zlib1g-dev": header("zlib.h"),
    "python3-dev": python_header,
    "python3-venv": venv,
    "pkg-config": commands("pkg-config"),
}
TEST: dict[str, Probe] = {
    "clang": commands("clang", "clang++"),
    "curl": commands("curl"),
    "openssl": commands("openssl"),
    "chromium": commands("chromium"),
    "chromium-driver": commands("chromedriver"),
}
FUZZ: dict[str, Probe] = {
    "clang": commands("clang"),
    "libclang-rt-dev": fuzzer,
}
BENCH: dict[str, Probe] = {
    "wrk": commands("wrk"),
}
NEEDED = {
    "run": RUN,
    "test": {**RUN, **TEST},
    "fuzz": {**RUN, **FUZZ},
    "bench": {**RUN, **BENCH},
}


def install(packages: list[str]) -> None:
    """Install Debian packages, as root or through sudo; exit with what to do if neither works."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        sys.exit(f"This system lacks what Debian calls: {names}\nInstall that and run this again.")
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    if prefix and shutil.which("sudo") is None:
        sys.exit(
            f"These packages are missing: {names}\n"
            f"Run this as root, then try again: apt-get install {names}"
        )
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        command = [*prefix, *environment, "apt-get", "-q", *arguments]
        print("+", shlex.join(command), flush=True)
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"apt-get failed; its lines above say why. Missing are: {names}")


def main(arguments: list[str]) -> None:
    """Install what is missing for one of the purposes."""
    if len(arguments) != 1 or arguments[0] not in NEEDED:
        sys.exit(f"usage: bootstrap.py {'|'.join(NEEDED)}")
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs on what the machine has
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}")
    needed = NEEDED[arguments[0]]
    missing = [package for package, is_there in needed.items() if not is_there()]
    if missing:
        print("Missing system packages:", *missing, flush=True)
        install(missing)
        still = [package for package in missing if not needed[package]()]
        if still:
            sys.exit(f"Installed, and still not found: {' '.join(still)}")


if __name__ == "__main__":
    main(sys.argv[1:])
