"""What gets installed works for those who use it: C programs, pip, Alusus's package manager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import install_alusus
from tests.support import ROOT

from .conftest import Run

VERSION = (ROOT / "VERSION").read_text().strip()

PROGRAM = """\
#include <alusus_http/alusus_http.h>
#include <alusus_http/alusus_http_events.h>
#include <stdio.h>
int main(void) { puts(ah_version()); return 0; }
"""
PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(alusus_http 0.3 REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE alusus_http::alusus_http)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a C program of one file."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "program.c").write_text(PROGRAM)
    (folder / "CMakeLists.txt").write_text(PROJECT)
    return folder


@pytest.fixture
def prefix(tmp_path: Path, build: Path, run: Run) -> Path:
    """The library as installed for C programs, then moved: nothing may point to the old place."""
    run("cmake", "--install", build, "--prefix", tmp_path / "first")
    return (tmp_path / "first").rename(tmp_path / "moved")


def test_the_library_needs_no_more_than_tls_zlib_and_libc(build: Path, run: Run) -> None:
    dynamic = run("readelf", "-d", build / "civetweb/libalusus_http.so", env={"LC_ALL": "C"})
    needed = {
        line.split("[")[1].split(".")[0] for line in dynamic.splitlines() if "(NEEDED)" in line
    }
    assert needed <= {"libssl", "libcrypto", "libz", "libc", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert "[libalusus_http.so]" in dynamic  # its SONAME: the name that Alusus imports


def test_cmake_finds_the_installed_library(prefix: Path, program: Path, run: Run) -> None:
    run("cmake", "-S", program, "-B", program / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", program / "build")
    assert run(program / "build/program") == f"{VERSION}\n"


def test_pkg_config_finds_the_installed_library(prefix: Path, program: Path, run: Run) -> None:
    [description] = prefix.rglob("alusus_http.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(description.parent)}
    ask = ["pkg-config", "alusus_http"]
    assert run(*ask, "--modversion", env=environment) == f"{VERSION}\n"
    flags = run(*ask, "--cflags", "--libs", env=environment).split()
    run("cc", program / "program.c", "-o", program / "program", *flags)
    environment = {"LD_LIBRARY_PATH": str(description.parents[1])}
    assert run(program / "program", env=environment) == f"{VERSION}\n"


SERVED = """\
import urllib.request
from alusus_http import Server

server = Server(0)
server.route("/")(lambda request: "served")
with server:
    print(urllib.request.urlopen(server.url).read().decode())
"""


def test_a_wheel_runs_where_there_is_no_compiler(tmp_path: Path, run: Run) -> None:
    python = tmp_path / "environment/bin/python"
    venv.create(tmp_path / "environment", with_pip=True)
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    [wheel] = tmp_path.glob("*.whl")
    version = sysconfig.get_config_var("py_version_nodot")
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    tags = f"cp{version}-cp{version}t" if free_threaded else "cp311-abi3"
    assert wheel.name.startswith(f"alusus_http-{VERSION}-{tags}-")

    environment = {**os.environ, "PATH": str(python.parent)}
    assert shutil.which("cc", path=environment["PATH"]) is None
    run(python, *pip, "install", "--only-binary", ":all:", wheel, env=environment)
    info = run(python.parent / "alusus-http", "info", cwd=tmp_path, env=environment)
    assert info.startswith(f"alusus_http: {VERSION}\n")
    assert run(python, "-I", "-c", SERVED, cwd=tmp_path, env=environment) == "served\n"
    program = (
        "import alusus_http, alusus_http.http, pathlib;"
        "from alusus_http._native import ffi, lib;"
        "folder = pathlib.Path(alusus_http.__file__).parent;"
        "assert (folder / 'include/alusus_http/alusus_http.h').is_file();"
        "maps = pathlib.Path('/proc/self/maps').read_text().splitlines();"
        "loaded = {line.split()[-1] for line in maps if 'libalusus_http' in line};"
        "assert loaded == {str(folder / 'libalusus_http.so')}, loaded;"
        "print(ffi.string(lib.ah_version()).decode())"
    )
    assert run(python, "-I", "-c", program, cwd=tmp_path, env=environment) == f"{VERSION}\n"


@pytest.fixture
def package(tmp_path: Path, build: Path, run: Run) -> Path:
    """The Alusus package as `make package` makes it."""
    folder = tmp_path / "dist/Alusus" / f"Http@{VERSION}"
    run("cmake", "--install", build, "--component", "alusus", "--strip", "--prefix", folder)
    return folder


def test_the_alusus_package_is_whole(package: Path) -> None:
    assert {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()} == {
        "Http.alusus",
        "بـننت.أسس",
        "libalusus_http.so",
        "README.md",
        "README.ar.md",
        "LICENSE",
        "LICENSE.civetweb.md",
        "docs/coverage.md",
        "docs/coverage.ar.md",
        "docs/reference/http.md",
        "docs/reference/http.ar.md",
        "docs/security.md",
        "docs/upgrading.md",
        "docs/upgrading.ar.md",
    }
    assert package.name.startswith("Http@0.3.")  # programs import "Alusus/Http@0.3"


def test_the_links_of_the_alusus_package_lead_somewhere(package: Path) -> None:
    for page in package.rglob("*.md"):
        links = re.findall(r"\]\(([\w/.]+\.md)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8"))
        for link in links:
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_the_alusus_package_replaces_an_older_one(package: Path, tmp_path: Path) -> None:
    apm = tmp_path / "apm"
    other = shutil.copytree(package, tmp_path / "other/Alusus/Http@0.3.99")
    install_alusus.install(other, apm)
    stale = install_alusus.install(package, apm) / "stale"
    stale.touch()

    target = install_alusus.install(package, apm)
    assert target == apm / "Alusus" / package.name
    assert {file.name for file in target.iterdir()} == {file.name for file in package.iterdir()}
    assert os.readlink(apm / "Alusus/Http") == package.name
    assert {file.name for file in (apm / "Alusus").iterdir()} == {
        "Http",
        "Http@0.3.99",
        package.name,
    }


def test_a_package_that_apm_installed_is_left_alone(package: Path, tmp_path: Path) -> None:
    (tmp_path / "apm/Alusus/Http").mkdir(parents=True)
    with pytest.raises(SystemExit, match="Remove it or move it away"):
        install_alusus.install(package, tmp_path / "apm")
    assert [file.name for file in (tmp_path / "apm/Alusus").iterdir()] == ["Http"]


def configure(folder: Path, *options: str, **environment: str) -> str:
    """Configure a build that has to fail; returns what it said, in one line."""
    result = subprocess.run(
        ["cmake", "-S", ROOT, "-B", folder, f"-DPython_EXECUTABLE={sys.executable}", *options],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert result.returncode != 0
    return " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize(
    ("package", "said"), [("OpenSSL", "install libssl-dev"), ("ZLIB", "install zlib1g-dev")]
)
def test_a_missing_library_stops_the_build(tmp_path: Path, package: str, said: str) -> None:
    assert said in configure(tmp_path, f"-DCMAKE_DISABLE_FIND_PACKAGE_{package}=ON")


def test_a_source_without_a_feature_stops_the_build(tmp_path: Path, build: Path) -> None:
    cache = (build / "CMakeCache.txt").read_text()
    [checked] = [line for line in cache.splitlines() if line.startswith("civetweb_checked:")]
    source = shutil.copytree(checked.partition("=")[2], tmp_path / "source")
    code = source / "src/civetweb.c"
    code.write_text(f"#undef USE_IPV6\n#undef USE_X_DOM_SOCKET\n{code.read_text()}")
    said = configure(tmp_path / "build", CIVETWEB_SOURCE_DIR=str(source))
    assert f"CivetWeb in {source} lacks: IPv6, unix sockets" in said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("int ah_a; int mg_b(void) { return 0; }", "exports more than ah_*: mg_b"),
        ("static int a __attribute__((unused));", "exports nothing"),
    ],
)
def test_the_check_of_the_exports_finds_what_is_wrong(
    tmp_path: Path, run: Run, code: str, said: str
) -> None:
    (tmp_path / "a.c").write_text(code)
    library = tmp_path / "a.so"
    run("cc", "-shared", "-fPIC", tmp_path / "a.c", "-o", library)
    check = ROOT / "civetweb/cmake/check_exports.cmake"
    result = subprocess.run(
        ["cmake", "-DNM=nm", f"-DLIBRARY={library}", "-P", check], capture_output=True, text=True
    )
    assert result.returncode != 0
    assert said in " ".join(result.stderr.split())
