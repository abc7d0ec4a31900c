"""A C++ program uses the library, old C++ as well as new."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, built

SOURCE = """\
#include <alusus_http/alusus_http.h>
#include <alusus_http/alusus_http_events.h>
#include <alusus_http/alusus_http.h>
#include <cstdio>

int main()
{
    std::printf("%s\\n", ah_version());
    return 0;
}
"""


@pytest.mark.parametrize("standard", ["c++98", "c++20"])
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_cplusplus_program(tmp_path: Path, compiler: str, standard: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed: apt-get install g++ clang")
    library = built("civetweb/libalusus_http.so")
    source, program = tmp_path / "user.cpp", tmp_path / "user"
    source.write_text(SOURCE)
    options = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    places = [f"-I{ROOT / 'civetweb' / 'include'}", f"-Wl,-rpath,{library.parent}"]
    subprocess.run([compiler, *options, *places, source, library, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (ROOT / "VERSION").read_text().strip()
