"""The command `alusus-http serve`, as users run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import alusus_http
from alusus_http import _reloading
from tests.support import (
    REPLY,
    STOP,
    Program,
    eventually,
    free_port,
    get,
    heed_interrupts,
    running,
)

APPLICATIONS = """
import asyncio
import time

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    if scope["type"] == "websocket":
        if scope["path"] == "/unknown":
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"who?", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b" you?"})
        elif scope["path"] == "/open":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        else:
            await send({"type": "websocket.close"})
        return
    if scope["path"] == "/slow":
        print("slow begins", flush=True)
        await asyncio.sleep(60)
    if scope["path"] == "/pieces":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"two", b"four"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 206, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": bytes(9999), "more_body": True})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"asgi {scope['scheme']} {scope['root_path']} {type(asyncio.get_running_loop())}"
    await send({"type": "http.response.body", "body": body.encode()})

class Callable:
    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)

instance = Callable()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        print("slow begins", flush=True)
        time.sleep(60)
    if environ["PATH_INFO"] == "/endless":
        start_response("206 Partial Content", [])
        return iter(lambda: bytes(9999), None)
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/pieces":
        return iter([b"one", b"two", b"four"])
    return [f"wsgi {environ['wsgi.url_scheme']} {environ['SCRIPT_NAME']}".encode()]

def make():
    return application

async def makes_later():
    return application

def fails():
    raise KeyError("the factory fails")

async def refuses(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})

number = 7
"""

SERVER = """
import alusus_http
from alusus_http import _reloading

server = alusus_http.Server(0)

@server.route("/")
def page(request):
    return "page"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("applications")
    (folder / "served.py").write_text(APPLICATIONS, encoding="utf-8")
    (folder / "broken.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    (folder / "wrong.py").write_text("1 +\n", encoding="utf-8")
    (folder / "own.py").write_text(SERVER, encoding="utf-8")
    (folder / "serves.py").write_text(f"{SERVER}\nserver.serve_forever()\n", encoding="utf-8")
    (folder / "starts.py").write_text(
        f"{SERVER}\nimport asyncio\nasyncio.run(server.serve())\n", encoding="utf-8"
    )
    return folder


def command(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "alusus_http", "serve", *arguments]


def ended(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command, which is to end by itself."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=REPLY, check=False
    )


@contextmanager
def serving(folder: Path, *arguments: str | Path) -> Iterator[Program]:
    port = free_port()
    line = command(*arguments, "--app-dir", folder, "--port", str(port))
    with running(line, port, interrupt=True, ready="^Listening at ") as program:
        yield program


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("served", "asgi http  "),
        ("served:app", "asgi http  "),
        ("served:instance", "asgi http  "),
        ("served:application", "wsgi http "),
    ],
)
def test_the_interface_is_found(folder: Path, target: str, body: str) -> None:
    with serving(folder, target) as program:
        assert get(program.port)[1].startswith(body)
        assert f"Listening at http://127.0.0.1:{program.port}\n" in program.output


@pytest.mark.parametrize("target", ["served:app", "served:application"])
def test_a_port_that_is_free_is_found_and_named(folder: Path, target: str) -> None:
    line = command(target, "--app-dir", folder, "--port", "0")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            named = next(each for each in process.stdout if each.startswith("Listening at "))
            assert httpx.get(named.removeprefix("Listening at ").rstrip()).status_code == 200
        finally:
            process.terminate()


def test_options(folder: Path) -> None:
    arguments = ["served:make", "--factory", "--root-path", "/mounted", "--workers", "3"]
    arguments += ["--option", "request_timeout_ms=1000"]
    with serving(folder, *arguments) as program:
        assert get(program.port)[1] == "wsgi http /mounted"


def test_uvloop(folder: Path) -> None:
    with serving(folder, "served:app", "--loop", "uvloop") as program:
        assert "uvloop.Loop" in get(program.port)[1]


def test_tls_with_the_key_apart(folder: Path, certificate: Path) -> None:
    public, key = (
        certificate.with_name(f"127.0.0.1.{part}.pem") for part in ("certificate", "key")
    )
    arguments: list[str | Path] = ["--certificate", public, "--key", key]
    with serving(folder, "served:application", *arguments) as program:
        url = f"https://127.0.0.1:{program.port}/"
        assert f"Listening at {url[:-1]}\n" in program.output
        done = subprocess.run(
            ["curl", "-s", "--cacert", certificate, url], capture_output=True, check=True
        )
        assert done.stdout == b"wsgi https "


@pytest.mark.parametrize("target", ["served:app", "served:application"])
def test_a_unix_socket(folder: Path, tmp_path: Path, target: str) -> None:
    path = tmp_path / "socket"
    arguments: list[str | Path] = ["--app-dir", folder, "--unix", path, "--access-log", "json"]
    process = subprocess.Popen(command(target, *arguments), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        while b"Listening" not in (line := process.stdout.readline()):
            assert line
        assert line == f"Listening at unix:{path}\n".encode()
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://localhost/").status_code == 200
        while not (line := process.stdout.readline()).startswith(b"{"):
            assert line
        assert json.loads(line)["client"] == "unix:"
    finally:
        process.terminate()
        process.communicate(timeout=STOP)
    assert process.returncode == 0
    assert not path.exists()


def test_the_access_log_in_common_format(folder: Path) -> None:
    with serving(folder, "served:application", "--access-log") as program:
        size = len(get(program.port, "/a%20b?c=d", 'User-Agent: "x" [y]')[1])
        line = r'^127\.0\.0\.1 - - \[.*\] "GET /a%20b\?c=d HTTP/1\.1" 200 '
        eventually(f"{line}{size}$", program)
        get(program.port, '/"')  # what would end the field early
        eventually(r'"GET /%22 HTTP/1\.1" \d+ \d+$', program)


def test_the_access_log_as_json(folder: Path) -> None:
    with serving(folder, "served:app", "--access-log", "json") as program:
        words = ('User-Agent: "x" é', "Referer: http://r/ r\udcff")
        size = len(get(program.port, "/a?b", *words)[1])
        line = eventually("^{.*}$", program).splitlines()[-1]
    entry = json.loads(line)
    assert entry.pop("time")[10] == "T"
    assert entry.pop("bytes") == size
    assert entry == {
        "client": "127.0.0.1",
        "method": "GET",
        "target": "/a?b",
        "version": "1.1",
        "status": 200,
        "referer": r"http://r/ r\xff",  # its words are not taken for the agent's
        "agent": '"x" é',
    }


@pytest.mark.parametrize("target", ["served:app", "served:application"])
def test_the_access_log_of_a_body_in_pieces(folder: Path, target: str) -> None:
    with serving(folder, target, "--access-log") as program:
        assert httpx.get(f"http://{program.address}/pieces").text == "onetwofour"
        eventually('"GET /pieces HTTP/1.1" 200 10$', program)


@pytest.mark.parametrize("target", ["served:app", "served:application"])
def test_the_access_log_of_an_answer_whose_client_leaves(folder: Path, target: str) -> None:
    with serving(folder, target, "--access-log") as program:
        with socket.create_connection(("127.0.0.1", program.port)) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 206 ")
        eventually(r'"GET /endless HTTP/1\.1" 206 \d+$', program)


@pytest.mark.parametrize("referer", [None, "http://r/"])
def test_the_access_log_of_a_web_socket(folder: Path, referer: str | None) -> None:
    headers = {} if referer is None else {"Referer": referer}
    with serving(folder, "served:app", "--access-log", "json") as program:
        url = f"ws://{program.address}/open"
        with connect(url, additional_headers=headers, user_agent_header="x (y; z)"):
            line = eventually("^{.*}$", program).splitlines()[-1]
    entry = json.loads(line)
    assert (entry["target"], entry["status"], entry["agent"]) == ("/open", 101, "x (y; z)")
    assert entry.get("referer") == referer


@pytest.mark.parametrize("form", ["common", "json"])
def test_the_access_log_of_refused_web_sockets(folder: Path, form: str) -> None:
    with serving(folder, "served:app", "--access-log", form) as program:
        for path, status, size in (("/refused", 403, None), ("/unknown", 401, 9)):
            with pytest.raises(InvalidStatus) as raised:
                connect(f"ws://{program.address}{path}")
            response = raised.value.response
            assert response.status_code == status
            size = size or len(response.body or b"")
            if form == "json":
                line = eventually(f'^{{.*"{path}".*}}$', program).splitlines()[-1]
                entry = json.loads(line)
                assert (entry["target"], entry["status"], entry["bytes"]) == (path, status, size)
            else:
                eventually(f'"GET {path} HTTP/1.1" {status} {size}$', program)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], 'there is no module "missing" in .*; run the command in'),
        (["served:nothing"], 'the module served has no "nothing"'),
        (["served:number"], "7 is no application: it cannot be called"),
        (["broken"], "(?s)importing broken failed:.*nowhere_to_be_found"),
        (["wrong"], "(?s)importing wrong failed:.*SyntaxError"),
        (["served:fails", "--factory"], "(?s)the factory served:fails failed:.*KeyError"),
        (["served:app", "--factory"], r"served:app takes .*, but is called with \(\).*; leave out"),
        (["served:makes_later", "--factory"], "the factory served:makes_later is async"),
        (["served:refuses"], "the application did not start: there is no database"),
        (["served", "--host", "http://localhost"], "host: 'http://localhost' is no address"),
        (["served", "--option", "access_log_file=/no/such/log"], '"/no/such/log", which cannot be'),
        (["served", "--certificate", "/nowhere"], "/nowhere"),
        (["served", "--option", "nonsense=1"], 'there is no option "nonsense"'),
        (["served:fails"], "is no application: it takes neither .*; .* give --factory"),
        (["served.py"], '"served.py" is no name of a module; say main:app'),
        (["./served:app"], '"./served" is no name of a module; say main:app'),
        ([":app"], '"" is no name of a module; say main:app'),
        (["served", "--unix", "socket"], "leave out --port"),
        (["served", "--key", "key.pem"], "give --certificate, too"),
        (["served", "--access-log", "--option", "access_log_file=log"], "leave out one of them"),
        (
            ["served", "--certificate", "/dev/null", "--key", "/nowhere"],
            "/nowhere .*; give the path",
        ),
    ],
)
def test_errors(folder: Path, arguments: list[str], message: str) -> None:
    done = ended(*arguments, "--app-dir", folder, "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stderr.startswith("alusus-http: ")
    assert re.search(message, done.stderr), done.stderr


def test_a_failing_module_is_told_without_the_way_there(folder: Path) -> None:
    for name, lines in (("broken", 4), ("wrong", 4)):
        done = ended(name, "--app-dir", folder)
        told = done.stderr.splitlines()
        assert told[0] == f"alusus-http: importing {name} failed:"
        assert f'File "{folder / name}.py", line 1' in done.stderr
        assert len(told) <= 1 + lines, done.stderr


def test_a_folder_that_is_not_there(folder: Path) -> None:
    done = ended("served", "--app-dir", folder / "no")
    assert done.returncode == 1
    assert done.stderr == f"alusus-http: --app-dir: there is no folder {folder / 'no'}\n"


def test_a_key_of_another_certificate_is_told_by_its_name(
    folder: Path, certificate: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    only = tmp_path / "certificate.pem"
    only.write_text(certificate.read_text().split("KEY-----\n")[-1], encoding="ascii")
    done = ended("served", "--app-dir", folder, "--certificate", only, "--key", key, "--port", "0")
    assert done.returncode == 1
    assert f"the private key in {key} and {only} is not that of its certificate" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "65536", "give a number from 0 to 65535"),
        ("--port", "-1", "give a number from 0 to 65535"),
        ("--port", "http", "give a number from 0 to 65535"),
        ("--workers", "0", "no number above zero"),
        ("--root-path", "api", "no path such as /api"),
        ("--root-path", "/api/", "without a slash at the end"),
        ("--root-path", "/", "without a slash at the end"),
    ],
)
def test_values_are_checked_before_the_application_starts(
    folder: Path, option: str, value: str, message: str
) -> None:
    done = ended("served", "--app-dir", folder, f"{option}={value}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument {option}: {value!r}" in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "8000"], "leave out --port and say it where"),
        (["--host", "0.0.0.0", "--workers=3"], "--host, --workers"),
        (["--access-log", "--root-path", ""], "--root-path, --access-log"),
        (["--option", "request_timeout_ms=1", "--loop", "uvloop"], "--loop, --option"),
        (["--certificate", "c.pem", "--key", "k.pem"], "--certificate, --key"),
        (["--unix", "socket", "--interface", "asgi"], "--interface, --unix"),
    ],
)
def test_a_server_has_its_own_options(folder: Path, arguments: list[str], named: str) -> None:
    done = ended("own", "--app-dir", folder, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("alusus-http: own is a Server, which has its own options: ")
    assert named in done.stderr


@pytest.mark.parametrize("name", ["serves", "starts"])
def test_a_module_that_serves_when_it_is_imported(folder: Path, name: str) -> None:
    done = ended(name, "--app-dir", folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f"alusus-http: the module {name} serves while it is imported")
    assert 'if __name__ == "__main__":' in done.stderr


@pytest.mark.parametrize("target", ["served:app", "served:application"])
def test_a_port_in_use(folder: Path, target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ended(target, "--app-dir", folder, "--port", str(port))
    assert (done.returncode, f"{port}" in done.stderr, "in use" in done.stderr) == (1, True, True)


@pytest.mark.parametrize("target", ["served:app", "served:application"])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ctrl_c_ends_at_once(folder: Path, target: str, first: signal.Signals) -> None:
    port = free_port()
    line = command(target, "--app-dir", folder, "--port", str(port))
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)
    assert process.stdout is not None
    try:
        while "Listening" not in process.stdout.readline():
            pass
        assert "Press Ctrl-C" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            assert "slow begins" in process.stdout.readline()
            process.send_signal(first)
            assert "Stopping" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == -signal.SIGINT
    finally:
        process.kill()
        process.communicate()


# The system interrupts the wait of no main thread that blocks the signal, as it does not when the
# signal comes just before the wait.
MASKED = """
import signal, threading, time
from alusus_http import Server

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
server = Server({port})

def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""


@pytest.mark.parametrize("target", ["masked:application", "masked:server"])
def test_a_signal_that_does_not_end_the_wait_is_heeded(tmp_path: Path, target: str) -> None:
    port = free_port()
    (tmp_path / "masked.py").write_text(MASKED.format(port=port))
    options = ["--port", str(port)] if "application" in target else []
    line = command(target, "--app-dir", tmp_path, *options)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        while f" at http://127.0.0.1:{port}" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.3)  # the main thread waits by then
        process.terminate()
        assert process.wait(STOP) == 0
    finally:
        process.kill()
        process.communicate()


def test_reload(tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    text = APPLICATIONS.replace("wsgi ", "{} ")
    source.write_text(text.replace("{} ", "first "), encoding="utf-8")
    with serving(tmp_path, "changing:application", "--reload") as program:
        assert get(program.port)[1].startswith("first ")
        source.write_text(text.replace("{} ", "second "), encoding="utf-8")
        eventually("changed: starting again", program)
        end = time.monotonic() + REPLY
        while True:
            try:
                if get(program.port)[1].startswith("second "):
                    break
            except OSError:
                pass
            assert time.monotonic() < end, program.output
            time.sleep(0.05)


def test_reload_lets_requests_end(tmp_path: Path) -> None:
    """A terminal's Ctrl-C comes to the program and to who watches its files, who ends it, too."""
    (tmp_path / "served.py").write_text(
        APPLICATIONS.replace("time.sleep(60)", "time.sleep(1)"), encoding="utf-8"
    )
    port = free_port()
    process = subprocess.Popen(
        command("served:application", "--app-dir", tmp_path, "--port", str(port), "--reload"),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
        process_group=0,
    )
    assert process.stdout is not None
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
    try:
        while "Press Ctrl-C" not in process.stdout.readline():
            pass
        asking.start()
        assert "slow begins" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(STOP) == 0
        asking.join(REPLY)
        assert answers == [(200, "wsgi http ")]
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_while_it_starts_again_ends_it(tmp_path: Path) -> None:
    source = tmp_path / "served.py"
    source.write_text(APPLICATIONS.replace("time.sleep(60)", "time.sleep(1)"), encoding="utf-8")
    port = free_port()
    with (
        subprocess.Popen(
            command("served:application", "--app-dir", tmp_path, "--port", str(port), "--reload"),
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        ) as process,
        ThreadPoolExecutor() as threads,
    ):
        assert process.stdout is not None
        while "Press Ctrl-C" not in process.stdout.readline():
            pass
        answer = threads.submit(get, port, "/slow")
        assert "slow begins" in process.stdout.readline()
        source.touch()
        assert "changed: starting again" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP) == 0
        assert answer.result(REPLY) == (200, "wsgi http ")
        with pytest.raises(OSError):
            get(port)


def test_what_watches_lives_with_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Without watchfiles: a link in a circle stays, and folders vanish while they are listed."""
    for number in range(50):
        (tmp_path / f"package{number}").mkdir()
        (tmp_path / f"package{number}/__init__.py").touch()
    (tmp_path / "circle.py").symlink_to("circle.py")
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                (tmp_path / f"build{number}/lib/deep").mkdir(parents=True)
            for number in range(20):
                shutil.rmtree(tmp_path / f"build{number}")

    with ThreadPoolExecutor() as threads:
        churning = threads.submit(churn)
        try:
            for _ in range(100):
                assert len(_reloading._times(tmp_path)) == 50
        finally:
            stop.set()
        churning.result()


def test_a_program_does_not_outlive_what_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, stop: threading.Event) -> Iterator[list[str]]:
        yield []
        raise OSError("no more watches")

    started = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, command: list[str]) -> None:
            super().__init__(command)
            started.append(self)

    monkeypatch.setattr(_reloading, "_changes", fail)
    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(OSError, match="no more watches"):
        _reloading.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    [program] = started
    assert program.returncode == -signal.SIGTERM


def test_reload_waits_for_what_does_not_start(tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    source.write_text("def application(environ, start_response:\n", encoding="utf-8")
    process = subprocess.Popen(
        command("changing:application", "--app-dir", tmp_path, "--port", "0", "--reload"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = list(iter(process.stdout.readline, "The program has ended: waiting for a change\n"))
        assert any("SyntaxError" in line for line in told)
        source.write_text(APPLICATIONS, encoding="utf-8")
        while not (line := process.stdout.readline()).startswith("Listening at "):
            assert line
        process.send_signal(signal.SIGINT)
        process.wait(STOP)
    finally:
        process.kill()
        process.communicate()


def _told(name: str, **environment: str) -> dict[str, str]:
    """The lines that a command prints, by what stands before the colon."""
    done = subprocess.run(
        [sys.executable, "-m", "alusus_http", name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    pairs = (line.partition(": ") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


def test_where(tmp_path: Path) -> None:
    where = _told("where", APM_DIR=str(tmp_path))
    assert Path(where["library"]).is_file()
    assert Path(where["headers"], "alusus_http/alusus_http.h").is_file()
    assert "make install-alusus" in where["Alusus"]
    package = tmp_path / f"Alusus/Http@{alusus_http.__version__}"
    package.mkdir(parents=True)
    assert _told("where", APM_DIR=str(tmp_path))["Alusus"] == str(package)


def test_where_for_a_c_compiler(tmp_path: Path) -> None:
    program = tmp_path / "program.c"
    program.write_text(
        "#include <alusus_http/alusus_http.h>\n"
        "int main(void) { return ah_get_library_info() == 0; }\n"
    )
    where = f"{sys.executable} -m alusus_http where --cflags --libs"
    command = f"cc {program} $({where}) -o {tmp_path}/program && {tmp_path}/program"
    subprocess.run(["sh", "-c", command], check=True, timeout=REPLY)


def test_info() -> None:
    info = _told("info")
    assert info["alusus_http"] == info["library"]
    assert info["CivetWeb"].startswith("1.")
    assert info["TLS"].startswith("OpenSSL")
    assert info["compression"].startswith("zlib")
    assert info["WebSocket"] == info["IPv6"] == "yes"
