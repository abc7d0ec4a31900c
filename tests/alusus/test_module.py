"""The Alusus package and the examples, as far as they can be checked without their compiler."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, built

STUBS = ROOT / "alusus_stubs"
ENGLISH, ARABIC = STUBS / "Http.alusus", STUBS / "بـننت.أسس"
EXAMPLES = sorted((ROOT / "examples" / "alusus").iterdir())


def parse(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "alusus_codegen", "parse", path, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


@pytest.fixture(scope="session")
def module() -> dict[str, Any]:
    return parse(ENGLISH)


def exported() -> set[str]:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", built("civetweb/libalusus_http.so")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {line.split()[-1] for line in listed.splitlines()}


def test_each_c_symbol_is_exported_and_declared_once(module: dict[str, Any]) -> None:
    """A missing symbol ends the process, and one declared twice is renamed."""
    symbols = [function["symbol"] for function in module["functions"] if function["symbol"]]
    symbols += [function["symbol"] for function in parse(ARABIC)["functions"] if function["symbol"]]
    assert len(symbols) > 20
    assert set(symbols) - exported() == set()
    assert [symbol for symbol, times in Counter(symbols).items() if times > 1] == []


def test_the_names_of_both_generations(module: dict[str, Any]) -> None:
    names = {function["name"] for function in module["functions"]}
    names |= {alias["name"] for alias in module["aliases"]}
    names |= {class_["name"] for class_ in module["classes"]}
    document = {
        "WebSocketConnectCallback",
        "WebSocketReadyCallback",
        "WebSocketDataCallback",
        "WebSocketCloseCallback",
        "setWebSocketHandler",
        "setWebSocketHandlerWithSubprotocols",
        "writeWebSocket",
        "writeWebSocketText",
        "writeWebSocketBinary",
        "closeWebSocket",
    }
    published = {
        "Context",
        "Connection",
        "RequestInfo",
        "Header",
        "Callbacks",
        "RequestCallback",
        "startServer",
        "stopServer",
        "read",
        "write",
        "print",
        "getHeader",
        "getRequestInfo",
        "writeToWebSocket",
        "writeTextToWebSocket",
        "writeBinaryToWebSocket",
        "getBuildDependencies",
    }
    assert (document | published) - names == set()


def test_the_library_is_imported_by_each_system_s_name(module: dict[str, Any]) -> None:
    imports = json.dumps(module["imports"])
    assert "libalusus_http.so" in imports
    assert "libalusus_http.dylib" in imports


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_uses_names_that_exist(path: Path, module: dict[str, Any]) -> None:
    parsed = parse(path)
    assert parsed["modules"], "an example is a module"
    text = path.read_text(encoding="utf-8")
    known = {
        "Http": names_of(module),
        "بـننت": names_of(parse(ARABIC)),
    }
    used = re.findall(r"\b(Http|بـننت)\.(\w+)", text)
    used = [(space, name) for space, name in used if name not in ("alusus", "أسس")]
    assert used
    assert [f"{space}.{name}" for space, name in used if name not in known[space]] == []


def names_of(parsed: dict[str, Any]) -> set[str]:
    return {
        item["name"]
        for kind in ("functions", "aliases", "classes", "constants")
        for item in parsed[kind]
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_waits_for_enter(path: Path) -> None:
    """A program ends where its file ends, even while the server's threads run."""
    assert "Console.getChar()" in path.read_text(encoding="utf-8")
