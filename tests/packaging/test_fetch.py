"""Getting CivetWeb's source: order of the ways, apt's configuration, failures, two builds at once.

Debian's tools are stood in for by scripts on the PATH, the upstream repository by a file; the real
ones are used by the build that a test run starts with.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import fetch_civetweb

SCRIPT = Path(fetch_civetweb.__file__)
MIRROR = "http://mirror.test/debian"

# apt-get that knows one suite and notes each call; dpkg-source that "unpacks" CivetWeb 1.16.
APT_GET = """#!/bin/sh
echo "$*" >> "$FAKE_LOG"
for argument; do case $argument in -oDir::Etc::SourceList=*) list=${argument#*=} ;; esac; done
grep -q "^Suites: $FAKE_SUITE\\$" "$list" || { echo "E: 404  Not Found" >&2; exit 100; }
if test "$FAKE_AGE" = old && ! grep -q "^Check-Valid-Until: no\\$" "$list"; then
  echo "E: Release file for x/InRelease is expired (invalid since 16d)." >&2
  exit 100
fi
case "$*" in *" source "*) touch civetweb_1.16+dfsg-6.dsc ;; esac
"""
DPKG_SOURCE = """#!/bin/sh
test "$FAKE_UNPACK" = fail && { echo "dpkg-source: error: bad checksum" >&2; exit 2; }
mkdir -p "$3/include" "$3/src"
{
  echo '#define CIVETWEB_VERSION_MAJOR (1)'
  echo '#define CIVETWEB_VERSION_MINOR (16)'
} > "$3/include/civetweb.h"
echo '#if defined(USE_WEBSOCKET)' > "$3/src/civetweb.c"
"""

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    def make(folder: Path | None = None, minor: int = 16, code: str = "USE_WEBSOCKET") -> Path:
        source = folder or tmp_path / f"given-1.{minor}"
        (source / "include").mkdir(parents=True)
        (source / "src").mkdir()
        (source / "include/civetweb.h").write_text(
            f"#define CIVETWEB_VERSION_MAJOR (1)\n#define CIVETWEB_VERSION_MINOR ({minor})\n"
        )
        (source / "src/civetweb.c").write_text(code)
        return source

    return make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user's cache; nothing outside this test can be fetched."""
    monkeypatch.delenv("CIVETWEB_SOURCE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch_civetweb, "configured_mirrors", lambda: [])
    monkeypatch.setattr(fetch_civetweb, "UPSTREAM_URL", (tmp_path / "no-archive").as_uri())
    return tmp_path / "cache/alusus-http"


@pytest.fixture
def debian(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with the package in the suite sid alone; returns the log of apt's calls."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"apt-get": APT_GET, "dpkg-source": DPKG_SOURCE}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    log = tmp_path / "apt.log"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_LOG", str(log))
    monkeypatch.setenv("FAKE_SUITE", "sid")
    mirror = fetch_civetweb.Mirror(MIRROR)
    monkeypatch.setattr(fetch_civetweb, "configured_mirrors", lambda: [mirror])
    return log


def test_a_given_folder_comes_before_the_cache(
    cache: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_source(cache / "civetweb-1.16")
    given = make_source(minor=16)
    monkeypatch.setenv("CIVETWEB_SOURCE_DIR", str(given))
    assert fetch_civetweb.find_or_fetch() == given


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda source: (source / "src/civetweb.c").unlink(), "src/civetweb.c is missing"),
        (lambda source: (source / "src/civetweb.c").write_text(""), "websockets"),
        (
            lambda source: (source / "include/civetweb.h").write_text(
                "#define CIVETWEB_VERSION_MAJOR (1)\n#define CIVETWEB_VERSION_MINOR (15)\n"
            ),
            "CivetWeb 1.15; 1.16 or newer",
        ),
    ],
    ids=["incomplete", "without websockets", "old"],
)
def test_an_unusable_given_folder_is_an_error(
    cache: Path,
    make_source: MakeSource,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], object],
    expected: str,
) -> None:
    make_source(cache / "civetweb-1.16")
    given = make_source()
    spoil(given)
    monkeypatch.setenv("CIVETWEB_SOURCE_DIR", str(given))
    assert fetch_civetweb.main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "CIVETWEB_SOURCE_DIR" in captured.err
    assert expected in captured.err


def test_the_newest_usable_source_of_the_cache_is_taken(
    cache: Path, make_source: MakeSource
) -> None:
    make_source(cache / "civetweb-1.15+dfsg-4", minor=15)
    newest = make_source(cache / "civetweb-1.16+dfsg-6", minor=16)
    (make_source(cache / "civetweb-1.17", minor=17) / "src/civetweb.c").unlink()
    assert fetch_civetweb.find_or_fetch() == newest


def test_a_suite_without_the_package_leads_to_the_next(
    cache: Path, debian: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch_civetweb.main() == 0
    captured = capsys.readouterr()
    source = cache / "civetweb-1.16+dfsg-6"
    assert captured.out == f"{source}\n"
    assert f"{MIRROR}, suite forky" in captured.err
    assert (source / "src/civetweb.c").is_file()
    assert {file.name for file in cache.iterdir()} == {"lock", source.name}


def test_apt_works_on_lists_and_caches_of_its_own(cache: Path, debian: Path) -> None:
    fetch_civetweb.main()
    for call in debian.read_text().splitlines():
        for option in ("Etc::SourceList", "State", "State::Lists", "Cache"):
            assert f"-oDir::{option}={cache}/.fetch-" in call
        assert "-oDir::Etc::SourceParts=-" in call


def test_a_failure_lists_what_was_tried_and_leaves_nothing(
    cache: Path,
    debian: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FAKE_UNPACK", "fail")
    assert fetch_civetweb.main() == 1
    captured = capsys.readouterr()
    report = captured.err[captured.err.index("CivetWeb's source cannot be had") :]
    for suite in ("forky", "trixie"):
        assert f"{MIRROR}, suite {suite}: apt-get failed (100): E: 404  Not Found" in report
    assert (
        f"{MIRROR}, suite sid: dpkg-source failed (2): dpkg-source: error: bad checksum" in report
    )
    assert "no-archive" in report
    assert "set CIVETWEB_SOURCE_DIR" in report
    assert captured.out == ""
    assert [file.name for file in cache.iterdir()] == ["lock"]


def test_a_machine_without_debian_tools_is_told_which(
    cache: Path,
    debian: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bin/dpkg-source").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert fetch_civetweb.main() == 1
    assert "dpkg-source not found (on Debian, the packages apt and dpkg-dev have them)" in (
        capsys.readouterr().err
    )


def test_a_cache_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CIVETWEB_SOURCE_DIR", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fetch_civetweb.main() == 1
    assert "Set XDG_CACHE_HOME to a folder that can be written to" in capsys.readouterr().err


def test_two_builds_at_once_fetch_once(cache: Path, debian: Path) -> None:
    program = (
        "import fetch_civetweb as fetch, sys;"
        f"fetch.configured_mirrors = lambda: [fetch.Mirror({MIRROR!r})];"
        "sys.exit(fetch.main())"
    )
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=SCRIPT.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [build.communicate(timeout=60)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0]
    assert outputs == [f"{cache}/civetweb-1.16+dfsg-6\n"] * 2
    assert debian.read_text().count(" source ") == 1


def upstream_archive(file: Path, source: Path, commit: str) -> str:
    """Write what a forge serves for a commit: one folder above all, the commit in the header."""
    with tarfile.open(file, "w:gz", pax_headers={"comment": commit}) as tar:
        tar.add(source, arcname="civetweb-x")
        escape = tarfile.TarInfo("civetweb-x/../../escaped")
        escape.size = 1
        tar.addfile(escape, io.BytesIO(b"x"))
    return file.as_uri()


def test_the_upstream_commit_is_the_last_way(
    cache: Path, tmp_path: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = fetch_civetweb.UPSTREAM_COMMIT + "0" * 32
    url = upstream_archive(tmp_path / "archive.tar.gz", make_source(minor=17), commit)
    monkeypatch.setattr(fetch_civetweb, "UPSTREAM_URL", url)
    source = fetch_civetweb.find_or_fetch()
    assert source == cache / f"civetweb-upstream-{fetch_civetweb.UPSTREAM_COMMIT}"
    assert fetch_civetweb.source_version(source) == (1, 17)
    assert not list(tmp_path.rglob("escaped"))


def test_lists_that_are_out_of_date_come_after_the_upstream_commit(
    cache: Path,
    debian: Path,
    tmp_path: Path,
    make_source: MakeSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAKE_AGE", "old")
    commit = fetch_civetweb.UPSTREAM_COMMIT + "0" * 32
    url = upstream_archive(tmp_path / "archive.tar.gz", make_source(minor=17), commit)
    with monkeypatch.context() as reachable:
        reachable.setattr(fetch_civetweb, "UPSTREAM_URL", url)
        source = fetch_civetweb.find_or_fetch()
    assert source.name == f"civetweb-upstream-{fetch_civetweb.UPSTREAM_COMMIT}"
    shutil.rmtree(source)
    assert fetch_civetweb.find_or_fetch() == cache / "civetweb-1.16+dfsg-6"


def test_an_archive_of_another_commit_is_refused(
    cache: Path,
    tmp_path: Path,
    make_source: MakeSource,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = upstream_archive(tmp_path / "archive.tar.gz", make_source(), "f" * 40)
    monkeypatch.setattr(fetch_civetweb, "UPSTREAM_URL", url)
    assert fetch_civetweb.main() == 1
    assert f"the archive is of commit {'f' * 40}" in capsys.readouterr().err


DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://one.test/debian
  http://two.test/debian
Suites: bookworm bookworm-updates
# Another
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://one.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: trixie
Components: main

Types: deb
URIs: http://own.test/debian
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----
"""
ONE_LINE = """\
# deb http://comment.test/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb [arch=amd64 signed-by=/keys/debian-archive.gpg trusted=yes] http://three.test/debian sid main #x
deb http://security.test/debian-security bookworm-security main
deb http://third.test/apt tool-bookworm main
deb http://third.test/linux bookworm stable
"""


def mirrors(folder: Path) -> dict[str, dict[str, str]]:
    return {mirror.uri: dict(mirror.trust) for mirror in fetch_civetweb.configured_mirrors(folder)}


def test_mirrors_of_deb822_files(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    found = mirrors(tmp_path)
    keyring = {"Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"}
    assert list(found) == [
        "http://one.test/debian",
        "http://two.test/debian",
        "http://own.test/debian",
    ]
    assert found["http://one.test/debian"] == found["http://two.test/debian"] == keyring
    assert found["http://own.test/debian"]["Signed-By"] == (
        "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n -----END PGP PUBLIC KEY BLOCK-----"
    )


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/debian.list"])
def test_mirrors_of_one_line_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(ONE_LINE)
    assert mirrors(tmp_path) == {
        "http://three.test/debian": {"Signed-By": "/keys/debian-archive.gpg", "Trusted": "yes"}
    }


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")
def test_apt_reads_the_stanza_that_is_written_for_it(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    for mirror in fetch_civetweb.configured_mirrors(tmp_path):
        stanza = tmp_path / "one.sources"
        stanza.write_text(mirror.source_stanza("sid"))
        options = [f"-oDir::Etc::SourceList={stanza}", "-oDir::Etc::SourceParts=-"]
        listed = subprocess.run(
            ["apt-get", *options, "--print-uris", "update"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"'{mirror.uri}/dists/sid/InRelease'" in listed


def test_a_machine_without_apt_has_no_mirrors(tmp_path: Path) -> None:
    assert fetch_civetweb.configured_mirrors(tmp_path / "none") == []
