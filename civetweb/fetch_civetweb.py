#!/usr/bin/env python3
"""Find or fetch CivetWeb's source and print the folder that holds it.

In this order:

1. the folder that `CIVETWEB_SOURCE_DIR` names;
2. the user's cache, `$XDG_CACHE_HOME/alusus-http/civetweb-<version>`;
3. Debian's source package, patches applied, from the Debian mirror that this machine's apt is
   configured with. apt runs on lists and caches of its own in a temporary folder: the machine's
   are neither read nor changed, and no rights are needed;
4. one commit of the upstream repository, for systems without apt;
5. Debian's source package as in 3, from lists that apt has refused because of their age alone: a
   mirror that has stopped following Debian has them, signed as ever.

What is fetched is unpacked beside its place in the cache and moved there when it is whole, under
a lock, so that two builds may start at once. Only the standard library is used: this file runs
before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

OLDEST_VERSION = (1, 16)

# Newest fixes first; a mirror may lack one file of one suite, so there is always a next one.
# Bookworm has 1.15, without the fixes for CVE-2025-55763 and CVE-2025-9648 that these have.
SUITES = ("forky", "sid", "trixie")
ATTEMPTS = 2

# Upstream between 1.16 and 1.17, with the fixes that Debian's 1.16 carries as patches.
UPSTREAM_COMMIT = "3309a6ca"
UPSTREAM_URL = f"https://github.com/civetweb/civetweb/archive/{UPSTREAM_COMMIT}.tar.gz"

# Names under which a Debian archive appears in apt's configuration, beside SUITES.
OTHER_SUITES = ("bookworm", "bullseye", "oldstable", "stable", "testing", "unstable")
TRUST_FIELDS = ("Signed-By", "Trusted", "Check-Valid-Until")


class FetchError(Exception):
    """One way of getting the source failed; the text says why."""


@dataclass(frozen=True)
class Mirror:
    """A Debian mirror from apt's configuration, and how apt is told to trust it there."""

    uri: str
    trust: tuple[tuple[str, str], ...] = ()

    def at_any_age(self) -> Mirror:
        """Return the same mirror with lists that may be out of date."""
        kept = (field for field in self.trust if field[0] != "Check-Valid-Until")
        return Mirror(self.uri, (*kept, ("Check-Valid-Until", "no")))

    def source_stanza(self, suite: str) -> str:
        """Return apt's configuration (deb822) of this mirror's source packages in one suite."""
        fields = {"Types": "deb-src", "URIs": self.uri, "Suites": suite, "Components": "main"}
        return "".join(f"{name}: {value}\n" for name, value in (*fields.items(), *self.trust))


def source_version(source: Path) -> tuple[int, int]:
    """Return the version of the CivetWeb source in a folder; FetchError if it is unusable."""
    header, code = source / "include/civetweb.h", source / "src/civetweb.c"
    for file in (header, code):
        if not file.is_file():
            raise FetchError(f"{source} is not CivetWeb's source: {file} is missing")
    found = dict(
        re.findall(r"^#define CIVETWEB_VERSION_(MAJOR|MINOR) \((\d+)\)", header.read_text(), re.M)
    )
    version = int(found.get("MAJOR", 0)), int(found.get("MINOR", 0))
    if version < OLDEST_VERSION:
        raise FetchError(
            f"{source} holds CivetWeb {version[0]}.{version[1]}; "
            f"{OLDEST_VERSION[0]}.{OLDEST_VERSION[1]} or newer is needed"
        )
    if "USE_WEBSOCKET" not in code.read_text(errors="replace"):
        raise FetchError(f"{code} knows nothing of websockets (USE_WEBSOCKET)")
    return version


def cache_folder() -> Path:
    """Return the folder of the user's cache that keeps fetched sources."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "alusus-http"


def cached_source(cache: Path) -> Path | None:
    """Return the newest usable source in the cache."""
    usable = []
    for folder in cache.glob("civetweb-*"):
        with contextlib.suppress(FetchError):
            usable.append((source_version(folder), folder))
    return max(usable)[1] if usable else None


def configured_mirrors(configuration: Path = Path("/etc/apt")) -> list[Mirror]:
    """Return the Debian mirrors of apt's configuration, the archive's own key first."""
    parts = configuration / "sources.list.d"
    lists = [configuration / "sources.list", *sorted(parts.glob("*.list"))]
    entries = [entry for file in lists if file.is_file() for entry in _one_line_entries(file)]
    for file in sorted(parts.glob("*.sources")):
        entries.extend(_deb822_entries(file))

    mirrors: dict[Mirror, None] = {}
    for fields in entries:
        is_debian = not {*SUITES, *OTHER_SUITES}.isdisjoint(fields.get("Suites", "").split())
        in_use = fields.get("Enabled", "yes").lower() not in ("no", "false", "0")
        if is_debian and in_use and "main" in fields.get("Components", "").split():
            trust = tuple((name, fields[name]) for name in TRUST_FIELDS if name in fields)
            for uri in fields.get("URIs", "").split():
                if not uri.startswith("cdrom:"):
                    mirrors[Mirror(uri, trust)] = None

    def is_foreign(mirror: Mirror) -> bool:
        return "debian-archive" not in dict(mirror.trust).get("Signed-By", "debian-archive")

    return sorted(mirrors, key=is_foreign)


def _one_line_entries(file: Path) -> Iterator[dict[str, str]]:
    """Read `deb [option=value ...] uri suite component ...` lines as deb822 fields."""
    known = {name.lower(): name for name in TRUST_FIELDS}
    for line in file.read_text(errors="replace").splitlines():
        match = re.match(r"\s*deb(?:-src)?\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)", line)
        if match:
            options, uri, suite, components = match.groups()
            fields = {"URIs": uri, "Suites": suite, "Components": components}
            for option in (options or "").split():
                name, _, value = option.partition("=")
                if name.lower() in known:
                    fields[known[name.lower()]] = value
            yield fields


def _deb822_entries(file: Path) -> Iterator[dict[str, str]]:
    """Read the stanzas of a `.sources` file; a value keeps the line breaks that it has there."""
    names = {
        name.lower(): name for name in ("URIs", "Suites", "Components", "Enabled", *TRUST_FIELDS)
    }
    lines = [
        line for line in file.read_text(errors="replace").splitlines() if not line.startswith("#")
    ]
    for stanza in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields: dict[str, str] = {}
        for name, value in re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M):
            if name.lower() in names:
                fields[names[name.lower()]] = value.rstrip()
        yield fields


def run(arguments: list[str], folder: Path) -> None:
    """Run a program in a folder; FetchError with its last words if it fails."""
    try:
        result = subprocess.run(
            arguments,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=300,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{arguments[0]} did not end within {error.timeout:g} s") from error
    if result.returncode != 0:
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("E:", "dpkg-source: error"))]
        # The first error is the cause; without one, the last line says most.
        said = (errors or lines[-1:] or ["it said nothing"])[0]
        raise FetchError(f"{arguments[0]} failed ({result.returncode}): {said}")


def fetch_from_debian(mirror: Mirror, suite: str, folder: Path) -> Path:
    """Fetch one suite's source package into an empty folder; return the unpacked source.

    Its name there is that which it gets in the cache.
    """
    sources = folder / "debian.sources"
    sources.write_text(mirror.source_stanza(suite))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State": folder / "state",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        # apt as root downloads as the user _apt, who may not enter this folder.
        "APT::Sandbox::User": "root",
        "APT::Get::Only-Source": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    for name in ("state", "lists", "cache"):
        (folder / name).mkdir()
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    # A list that could not be fetched is only a warning to `apt-get update` unless asked for.
    run([*apt, "-oAPT::Update::Error-Mode=any", "update"], folder)
    run([*apt, "source", "--download-only", "civetweb"], folder)
    descriptions = list(folder.glob("civetweb_*.dsc"))
    if len(descriptions) != 1:
        raise FetchError(f"apt-get source left {len(descriptions)} .dsc files; expected one")
    source = folder / descriptions[0].stem.replace("_", "-", 1)
    run(["dpkg-source", "-x", descriptions[0].name, source.name], folder)
    return source


def fetch_from_upstream(folder: Path) -> Path:
    """Fetch the pinned upstream commit into an empty folder; return the unpacked source."""
    try:
        with urllib.request.urlopen(UPSTREAM_URL, timeout=60) as response:
            archive = io.BytesIO(response.read())
        with tarfile.open(fileobj=archive) as tar:
            # `git archive` writes the full commit id into the archive's global header.
            commit = tar.pax_headers.get("comment", "")
            if not commit.startswith(UPSTREAM_COMMIT):
                raise FetchError(f"the archive is of commit {commit or '(none)'}")
            source = folder / f"civetweb-upstream-{UPSTREAM_COMMIT}"
            for member in tar:
                path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None and ".." not in path.parts:
                    target = source / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
    except (OSError, tarfile.TarError) as error:
        raise FetchError(str(error)) from error
    return source


def fetch(cache: Path) -> Path:
    """Fetch the source into the cache; FetchError says all that was tried."""
    tried: list[str] = []

    @contextlib.contextmanager
    def attempt(name: str) -> Iterator[Path]:
        print(f"CivetWeb: asking {name}", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as folder:
                yield Path(folder)
        except FetchError as error:
            tried.append(f"{name}: {error}")
            print(f"CivetWeb: {error}", file=sys.stderr, flush=True)

    def keep(source: Path) -> Path:
        source_version(source)
        place = cache / source.name
        shutil.rmtree(place, ignore_errors=True)
        return source.rename(place)

    out_of_date: dict[tuple[Mirror, str], None] = {}
    mirrors = configured_mirrors()
    missing = [tool for tool in ("apt-get", "dpkg-source") if shutil.which(tool) is None]
    if missing:
        tried.append(
            f"Debian's source package: {' and '.join(missing)} not found "
            "(on Debian, the packages apt and dpkg-dev have them)"
        )
    elif not mirrors:
        tried.append("Debian's source package: apt is configured with no Debian mirror")
    else:
        for mirror in mirrors:
            for suite in SUITES:
                for _ in range(ATTEMPTS):
                    with attempt(f"{mirror.uri}, suite {suite}") as folder:
                        return keep(fetch_from_debian(mirror, suite, folder))
                    if " is expired " in tried[-1]:  # apt's words, in the locale C
                        out_of_date[mirror.at_any_age(), suite] = None
                        break
    with attempt(UPSTREAM_URL) as folder:
        return keep(fetch_from_upstream(folder))
    for mirror, suite in out_of_date:
        with attempt(f"{mirror.uri}, suite {suite}, out of date as it is") as folder:
            return keep(fetch_from_debian(mirror, suite, folder))
    raise FetchError("\n".join(tried))


def find_or_fetch() -> Path:
    """Return the folder of CivetWeb's source, fetching it when there is none yet."""
    given = os.environ.get("CIVETWEB_SOURCE_DIR")
    if given:
        source = Path(given).resolve()
        try:
            source_version(source)
        except FetchError as error:
            raise FetchError(f"CIVETWEB_SOURCE_DIR: {error}") from error
        return source

    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return cached_source(cache) or fetch(cache)
    except OSError as error:
        raise FetchError(
            f"{error}\nSet XDG_CACHE_HOME to a folder that can be written to"
        ) from error
    except FetchError as error:
        raise FetchError(
            f"{error}\nNothing was found in {cache} either.\n"
            "Connect to the network and build again, or unpack CivetWeb "
            f"{OLDEST_VERSION[0]}.{OLDEST_VERSION[1]} or newer and set CIVETWEB_SOURCE_DIR to "
            "its folder"
        ) from error


def main() -> int:
    """Print the folder of CivetWeb's source on standard output; progress goes to the other."""
    try:
        print(find_or_fetch())
    except FetchError as error:
        indented = str(error).replace("\n", "\n  ")
        print(f"CivetWeb's source cannot be had:\n  {indented}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
