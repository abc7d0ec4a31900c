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
        "getCookie",
        "getVariable",
        "sendFile",
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


# Of the published 0.3 and of the document: the types of each overload's parameters, a pack behind
# dots, and the result. Programs of both compile against these.
_CONNECTION, _CONTEXT = "ptr[Connection]", "ptr[Context]"
_HANDLERS = (
    "WebSocketConnectCallback",
    "WebSocketReadyCallback",
    "WebSocketDataCallback",
    "WebSocketCloseCallback",
)
SIGNATURES = [
    ("startServer", ("ptr[Callbacks]", "ptr[Void]", "ptr[CharsPtr]"), _CONTEXT),
    ("startServer", ("RequestCallback", "ptr[Void]", "ref[Array[CharsPtr]]"), _CONTEXT),
    ("startServer", ("RequestCallback", "ref[Array[CharsPtr]]"), _CONTEXT),
    ("startServer", ("RequestCallback", "ptr[Void]", "Int", "...CharsPtr"), _CONTEXT),
    ("startServer", ("RequestCallback", "Int", "...CharsPtr"), _CONTEXT),
    ("startServer", ("RequestCallback", "ptr[Void]", "CharsPtr"), _CONTEXT),
    ("startServer", ("RequestCallback", "CharsPtr"), _CONTEXT),
    ("stopServer", (_CONTEXT,), "Void"),
    ("read", (_CONNECTION, "ptr[Void]", "Int"), "Int"),
    ("write", (_CONNECTION, "CharsPtr", "Int"), "Int"),
    ("print", (_CONNECTION, "CharsPtr", "...any"), "Int"),
    ("sendFile", (_CONNECTION, "CharsPtr"), "Void"),
    ("sendFile", (_CONNECTION, "CharsPtr", "CharsPtr"), "Void"),
    ("getCookie", ("CharsPtr", "CharsPtr", "CharsPtr", "Word[64]"), "Int"),
    ("getHeader", (_CONNECTION, "CharsPtr"), "CharsPtr"),
    ("getRequestInfo", (_CONNECTION,), "ptr[RequestInfo]"),
    ("getVariable", ("CharsPtr", "Int", "CharsPtr", "CharsPtr", "Int"), "Int"),
    ("setWebSocketHandler", (_CONTEXT, "CharsPtr", *_HANDLERS, "ptr[Void]"), "Void"),
    ("setWebSocketHandler", (_CONTEXT, "CharsPtr", *_HANDLERS), "Void"),
    (
        "setWebSocketHandlerWithSubprotocols",
        (_CONTEXT, "CharsPtr", "ptr[CharsPtr]", *_HANDLERS, "ptr[Void]"),
        "Void",
    ),
    ("writeWebSocket", (_CONNECTION, "Int", "CharsPtr", "Int"), "Int"),
    ("writeWebSocketText", (_CONNECTION, "CharsPtr", "Int"), "Int"),
    ("writeWebSocketBinary", (_CONNECTION, "CharsPtr", "Int"), "Int"),
    ("writeToWebSocket", (_CONNECTION, "Int", "CharsPtr", "ArchWord"), "Int"),
    ("writeTextToWebSocket", (_CONNECTION, "CharsPtr", "ArchWord"), "Int"),
    ("writeTextToWebSocket", (_CONNECTION, "CharsPtr"), "Int"),
    ("writeBinaryToWebSocket", (_CONNECTION, "CharsPtr", "ArchWord"), "Int"),
    ("closeWebSocket", (_CONNECTION,), "Int"),
]


@pytest.mark.parametrize(("name", "types", "returns"), SIGNATURES)
def test_the_signatures_of_both_generations(
    module: dict[str, Any], name: str, types: tuple[str, ...], returns: str
) -> None:
    overloads = {
        (
            *(parameter["type"] for parameter in function["params"]),
            *(
                [f"...{function['pack']['type'].removeprefix('...')}"]
                if function["variadic"]
                else []
            ),
            function["returns"],
        )
        for function in module["functions"]
        if function["name"] == name
    }
    assert (*types, returns) in overloads
    if "WebSocketDataCallback" in types:  # 0.3 counts the bytes of a message with ArchWord
        wide = "WebSocketMessageCallback"
        assert (
            tuple(t.replace("WebSocketDataCallback", wide) for t in (*types, returns)) in overloads
        )


def test_every_public_name_has_an_arabic_one(module: dict[str, Any]) -> None:
    """Functions, classes, callbacks and constants, and the members of classes."""
    text = ARABIC.read_text(encoding="utf-8")
    aliases = re.findall(r"^( *)عرف (\w+): لقب (\w+)؛$", text, re.MULTILINE)
    outer = {english: arabic for indent, arabic, english in aliases if len(indent) <= 4}
    public = {name for name in names_of(module) if not name.startswith("_")}
    assert public - outer.keys() == set()
    for class_ in module["classes"]:
        fields = {field["name"] for field in class_["fields"]}
        if fields:
            arabic = outer[class_["name"]]
            (body,) = re.findall(rf"^ *@دمج صنف {arabic} {{$(.+?)^ *}}", text, re.M | re.S)
            assert fields == set(re.findall(r"لقب (\w+)؛", body)), class_["name"]


@pytest.mark.parametrize("page", ["docs/upgrading.md", "alusus_stubs/README.md"])
def test_a_page_calls_functions_that_exist(page: str, module: dict[str, Any]) -> None:
    """In its programs, and in its text what is written like a function of this module."""
    known = {"Http": names_of(module), "بـننت": names_of(parse(ARABIC))}
    fields = {field["name"] for class_ in module["classes"] for field in class_["fields"]}
    for file in (ROOT / page, (ROOT / page).with_suffix(".ar.md")):
        text = file.read_text(encoding="utf-8")
        for space, name in re.findall(r"\b(Http|بـننت)\.(\w+)\(", text):
            assert name in known[space], f"{file.name}: {space}.{name}"
        for name in re.findall(r"`([a-z]+[A-Z]\w+)`", text):
            assert name in known["Http"] | fields | {"dataLen"}, f"{file.name}: {name}"


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


# Each program of examples/alusus and the one that does the same in Arabic.
IN_ARABIC = {
    "chat.alusus": "دردشة.أسس",
    "chat_client.alusus": "عميل_دردشة.أسس",
    "echo.alusus": "صدى.أسس",
    "form.alusus": "نموذج.أسس",
    "simple_server.alusus": "خادم_بسيط.أسس",
}


def test_every_example_is_there_in_arabic() -> None:
    english = {path.name for path in EXAMPLES if path.suffix == ".alusus"}
    arabic = {path.name for path in EXAMPLES if path.suffix == ".أسس"}
    assert english == IN_ARABIC.keys(), "write its Arabic program and name it above"
    assert arabic == set(IN_ARABIC.values())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_length_is_that_of_its_text_in_bytes(path: Path) -> None:
    for text, length in re.findall(r'"([^"\\]*)"[,،] (\d+)\)', path.read_text(encoding="utf-8")):
        assert len(text.encode()) == int(length), text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_waits_for_enter(path: Path) -> None:
    """A program ends where its file ends, even while the server's threads run."""
    assert "Console.getChar()" in path.read_text(encoding="utf-8")
