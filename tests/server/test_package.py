"""How programs see the package: its types, its import, its fixture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import alusus_http
from alusus_http import Server
from alusus_http.testing import Serve
from tests.support import free_port, get, running

TYPED = """
import asyncio
from alusus_http import AsyncWebSocket, Reject, Request, Response, Server, WebSocket, http

server = Server(8080, document_root="site", origins=["https://example.org"])


@server.websocket("/sync", subprotocols=["v1"])
def sync_handler(ws: WebSocket) -> None:
    for message in ws:
        reveal_type(message)
        ws.send(message)


@server.websocket("/async")
async def async_handler(ws: AsyncWebSocket) -> None:
    async for message in ws:
        await ws.send(message)


@server.websocket("/object")
class Chat:
    def on_connect(self, request: Request) -> None:
        raise Reject(401)

    async def on_message(self, ws: AsyncWebSocket, message: str | bytes) -> None:
        server.broadcast("chat", message, exclude=ws)


@server.websocket("/refuse")
class Refuse:
    def on_connect(self, request: Request) -> None:
        raise Reject(403)


@server.websocket("/note")
class Note:
    def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
        print(code, reason)


@server.route("/", methods=["GET", "POST"])
def page(request: Request) -> Response:
    return Response.json({"path": request.path})


@server.route("/text")
async def text(request: Request) -> str:
    return request.query["name"]


def below(connection: http.Connection) -> int:
    name = http.read(connection, 100).decode() + http.decode_url("%41", 0)
    header: str | None = http.get_header(connection, "Accept")
    variable: str | None = http.get_variable("a=1", "a")
    return http.send_redirect(connection, "/" + http.encode_url(name), 303)


asyncio.run(server.serve())
"""

WRONG = """
from alusus_http import AsyncWebSocket, Request, Server, WebSocket

server = Server("8080")


@server.websocket("/")
def takes_another_thing(ws: int) -> None: ...


@server.route("/")
def returns_another_thing(request: Request) -> int:
    return 200


@server.websocket("/async")
async def forgets(ws: AsyncWebSocket) -> None:
    ws.send(7)
"""


def check(tmp_path: Path, text: str) -> tuple[int, str]:
    program = tmp_path / "program.py"
    program.write_text(text, encoding="ascii")
    options = ["--strict", "--enable-error-code=unused-awaitable", "--config-file="]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={tmp_path}/cache", str(program)],
        cwd=tmp_path,
        env={"MYPYPATH": str(Path(alusus_http.__file__).parent.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_user_s_program_passes_mypy_strict(tmp_path: Path) -> None:
    status, output = check(tmp_path, TYPED)
    assert 'Revealed type is "str | bytes"' in output
    assert status == 0, output


def test_mypy_finds_a_user_s_mistakes(tmp_path: Path) -> None:
    status, output = check(tmp_path, WRONG)
    assert status == 1
    for line in (4, 7, 11, 18):
        assert f"program.py:{line}: error" in output, output


def test_the_import_leaves_what_is_not_needed() -> None:
    program = (
        "import sys, alusus_http; print(*(m for m in ('asyncio', 'logging', 'ctypes', "
        "'alusus_http.server') if m in sys.modules)); alusus_http.Server"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "\n"


def test_everything_public_is_there() -> None:
    for name in alusus_http.__all__:
        assert getattr(alusus_http, name) is not None
        assert name in dir(alusus_http)
    assert not hasattr(alusus_http, "nothing")


def test_the_fixture_is_pytest_s() -> None:
    program = "import sys; sys.modules['pytest'] = None; import alusus_http.testing"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last == 'ImportError: alusus_http.testing is for pytest: run "pip install pytest"'


def test_the_fixture_runs_a_program_s_own_server(serve: Serve) -> None:
    server = Server(80, "192.0.2.1")  # where no test can listen
    server.route("/")(lambda request: "here")
    started = serve(server)
    assert started is server
    assert get(server.ports[0]) == (200, "here")


def test_the_command_serves_a_server(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "program.py").write_text(
        f"from alusus_http import Server\nserver = Server({port})\n"
        "server.route('/')(lambda request: 'served')\n",
        encoding="ascii",
    )
    command = [sys.executable, "-m", "alusus_http", "serve", "program"]
    with running(command, port, interrupt=True, cwd=tmp_path) as program:
        assert get(port) == (200, "served")
        assert f"serving at http://127.0.0.1:{port}" in program.output
