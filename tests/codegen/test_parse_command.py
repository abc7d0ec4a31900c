"""`alusus-codegen parse`: its JSON, its listing, its errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alusus_codegen.cli import main

DOCUMENT = Path(__file__).parent / "data" / "websocket_document.md"

PROGRAM = """\
import "a.so.1" or "a.dylib";
def VERSION: 5;
module M {
    def Callback: alias ptr[func (connection: ptr[Connection]): Int];
    @expname[c_print]
    func print(ptr[Char], args: ...any) => Int;
    def send: @expname[c_send] function (text: CharsPtr, n: ...[Int, 1, 5]);
    class Empty {}
    module Inner {
        class Point [T: type] {
            def x: T;
            @shared def count: Int;
            def y: array[Char, N * 2] = 5;
            def Self: alias this_type;
            handler this~init(x: T) { this.x = x }
            handler this + Int: T return this.x;
            @expname[c_norm] func norm { }
        }
    }
}
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "program.alusus"
    path.write_text(PROGRAM, encoding="utf-8")
    return str(path)


def parse(capsys: pytest.CaptureFixture[str], *paths: str) -> dict[str, list[dict[str, Any]]]:
    assert main(["parse", *paths, "--json"]) == 0
    result: dict[str, list[dict[str, Any]]] = json.loads(capsys.readouterr().out)
    assert list(result) == ["modules", "functions", "aliases", "classes", "constants", "imports"]
    return result


def test_functions(capsys: pytest.CaptureFixture[str], program: str) -> None:
    point = {"module": "M.Inner", "class": "Point", "file": program}
    assert parse(capsys, program)["functions"] == [
        {
            "name": "print",
            "module": "M",
            "symbol": "c_print",
            "params": [{"name": None, "type": "ptr[Char]"}],
            "variadic": True,
            "pack": {"name": "args", "type": "...any"},
            "returns": "Int",
            "file": program,
            "line": 6,
        },
        {
            "name": "send",
            "module": "M",
            "symbol": "c_send",
            "params": [{"name": "text", "type": "CharsPtr"}],
            "variadic": True,
            "pack": {"name": "n", "type": "...[Int, 1, 5]"},
            "returns": "Void",
            "file": program,
            "line": 7,
        },
        {
            "name": "this~init",
            "symbol": None,
            "params": [{"name": "x", "type": "T"}],
            "variadic": False,
            "returns": "Void",
            "line": 15,
        }
        | point,
        {
            "name": "this +",
            "symbol": None,
            "params": [{"name": None, "type": "Int"}],
            "variadic": False,
            "returns": "T",
            "line": 16,
        }
        | point,
        {
            "name": "norm",
            "symbol": "c_norm",
            "params": [],
            "variadic": False,
            "returns": "Void",
            "line": 17,
        }
        | point,
    ]


def test_everything_else(capsys: pytest.CaptureFixture[str], program: str) -> None:
    result = parse(capsys, program)
    assert result["modules"] == [
        {"name": "M", "module": None, "file": program, "line": 3},
        {"name": "Inner", "module": "M", "file": program, "line": 9},
    ]
    assert result["aliases"] == [
        {
            "name": "Callback",
            "module": "M",
            "type": "ptr[func (connection: ptr[Connection]): Int]",
            "file": program,
            "line": 4,
        },
        {
            "name": "Self",
            "module": "M.Inner",
            "class": "Point",
            "type": "this_type",
            "file": program,
            "line": 14,
        },
    ]
    assert [(entry["name"], entry["module"], entry["fields"]) for entry in result["classes"]] == [
        ("Empty", "M", []),
        (
            "Point",
            "M.Inner",
            [{"name": "x", "type": "T"}, {"name": "y", "type": "array[Char, N * 2]"}],
        ),
    ]
    assert result["constants"] == [
        {"name": "VERSION", "module": None, "value": "5", "file": program, "line": 2}
    ]
    assert result["imports"] == [
        {"module": None, "path": "a.so.1", "alternatives": ["a.dylib"], "file": program, "line": 1}
    ]


def test_websocket_document(capsys: pytest.CaptureFixture[str]) -> None:
    result = parse(capsys, str(DOCUMENT))
    assert [entry["name"] for entry in result["modules"]] == ["WebSocketExample"]
    assert len(result["aliases"]) == 4
    by_module = [(entry["module"], entry["name"]) for entry in result["functions"]]
    assert by_module == [
        (None, "setWebSocketHandler"),
        (None, "setWebSocketHandlerWithSubprotocols"),
        (None, "writeWebSocket"),
        (None, "writeWebSocketText"),
        (None, "writeWebSocketBinary"),
        (None, "closeWebSocket"),
        ("WebSocketExample", "start"),
        ("WebSocketExample", "answer"),
        ("WebSocketExample", "onConnect"),
        ("WebSocketExample", "onReady"),
        ("WebSocketExample", "onData"),
        ("WebSocketExample", "onClose"),
    ]
    handler = result["functions"][0]
    assert [(param["name"], param["type"]) for param in handler["params"]] == [
        ("context", "ptr[Context]"),
        ("uri", "CharsPtr"),
        ("connectHandler", "WebSocketConnectCallback"),
        ("readyHandler", "WebSocketReadyCallback"),
        ("dataHandler", "WebSocketDataCallback"),
        ("closeHandler", "WebSocketCloseCallback"),
        ("userData", "ptr[Void]"),
    ]
    assert (handler["returns"], handler["symbol"], handler["variadic"]) == ("Void", None, False)


def test_arabic_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "بـننت.أسس"
    path.write_text(
        "\ufeffوحدة مـثال {\n"
        "    @expname[add]\n"
        "    دالة أضف(أول: صحيح، بقية: ...أيما): مؤشر[مصفوفة[محرف، 5]]؛\n"
        "    عرف سـياق: لقب Context؛\n"
        "}؛\n",
        encoding="utf-8",
    )
    result = parse(capsys, str(path))
    (function,) = result["functions"]
    assert function == {
        "name": "أضف",
        "module": "مـثال",
        "symbol": "add",
        "params": [{"name": "أول", "type": "صحيح"}],
        "variadic": True,
        "pack": {"name": "بقية", "type": "...any"},
        "returns": "ptr[array[محرف, 5]]",
        "file": str(path),
        "line": 3,
    }
    assert [(alias["name"], alias["type"]) for alias in result["aliases"]] == [("سـياق", "Context")]


def test_files_are_listed_in_order(capsys: pytest.CaptureFixture[str], program: str) -> None:
    result = parse(capsys, str(DOCUMENT), program)
    assert [entry["name"] for entry in result["modules"]] == ["WebSocketExample", "M", "Inner"]


def test_listing(capsys: pytest.CaptureFixture[str], program: str) -> None:
    assert main(["parse", program]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "modules: 2",
        f"  {program}:3: M",
        f"  {program}:9: M.Inner",
        "functions: 5",
        f"  {program}:6: M.print(ptr[Char], args: ...any): Int = c_print",
        f"  {program}:7: M.send(text: CharsPtr, n: ...[Int, 1, 5]): Void = c_send",
        f"  {program}:15: M.Inner.Point.this~init(x: T): Void",
        f"  {program}:16: M.Inner.Point.this +(Int): T",
        f"  {program}:17: M.Inner.Point.norm(): Void = c_norm",
        "aliases: 2",
        f"  {program}:4: M.Callback: ptr[func (connection: ptr[Connection]): Int]",
        f"  {program}:14: M.Inner.Point.Self: this_type",
        "classes: 2",
        f"  {program}:8: M.Empty {{}}",
        f"  {program}:10: M.Inner.Point {{ x: T; y: array[Char, N * 2] }}",
        "constants: 1",
        f"  {program}:2: VERSION: 5",
        "imports: 1",
        f"  {program}:1: a.so.1 or a.dylib",
    ]


def test_errors_of_all_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = tmp_path / "first.alusus"
    first.write_text("def x Int;\nfunc f(a: Int;\n", encoding="utf-8")
    second = tmp_path / "second.md"
    second.write_text("# A\n\n```alusus\nclass {\n```\n", encoding="utf-8")
    third = tmp_path / "third.txt"
    missing = tmp_path / "missing.alusus"
    assert main(["parse", *map(str, (first, second, third, missing)), "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"{first}:1:7: unexpected 'Int'; expected ':' behind the name 'x'",
        f"{first}:2:14: unexpected ';'; expected ',' or ')' behind a parameter",
        f"{missing}: cannot be read: No such file or directory; expected a readable file",
        f"{second}:4:7: this '{{' is never closed; expected '}}' before the text ends at line 4",
        f"{third}: unknown kind of file '.txt'; expected .alusus, .أسس or .md",
    ]


def test_a_folder_is_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "folder.alusus"
    folder.mkdir()
    assert main(["parse", str(folder)]) == 1
    assert capsys.readouterr().err.startswith(f"{folder}: cannot be read: ")


def test_output_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    path = tmp_path / "ملف.أسس"
    for text, status in (("عرف سـ: لقب س؛", 0), ("دالة ن(", 1)):
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "alusus_codegen", "parse", str(path)],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            check=False,
        )
        assert done.returncode == status
        assert "ملف.أسس:1:" in (done.stdout + done.stderr).decode("utf-8")
