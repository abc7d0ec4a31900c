"""Calls that fail: which exception, and whether its message helps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import alusus_http
from alusus_http import NativeCallback, errors, http
from tests.python.serving import Server, respond, serving
from tests.support import REPLY, free_port


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def handler(connection: http.Connection, *arguments: object) -> int:
    return 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"listening_port": "1"}, errors.UnknownOptionError, '"listening_ports"'),
        ({"num_thread": "4"}, errors.UnknownOptionError, '"num_threads"'),
        (["num_threads"], errors.InvalidArgumentError, "num_threads"),
        ({"num_threads": "many"}, errors.InvalidArgumentError, "num_threads"),
        ({"num_threads": "4\0"}, errors.InvalidArgumentError, "options: a NUL character"),
        ({"listening_ports": "nowhere"}, errors.InvalidArgumentError, "nowhere"),
    ],
)
def test_options_that_no_server_takes(
    options: Any, error: type[errors.HttpError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        http.start_server(handler, options)
    assert isinstance(caught.value, errors.HttpError | ValueError)


def test_what_is_named_in_an_error_is_no_function(tmp_path: Path) -> None:
    file = tmp_path / "stopServer"
    file.touch()
    with pytest.raises(errors.InvalidArgumentError) as caught:
        http.start_server(handler, {"document_root": str(file)})
    assert f'"{file}"' in str(caught.value)


@pytest.mark.parametrize(
    "options", ["listening_ports", {"num_threads": 4}, ["num_threads", None], 5]
)
def test_options_of_a_wrong_type(options: Any) -> None:
    with pytest.raises(TypeError, match="options: expected"):
        http.start_server_with_options(handler, None, options)


def test_arguments_that_fit_no_overload() -> None:
    with pytest.raises(TypeError, match=r"start_server\(int, port=int\) fits none of\n"):
        http.start_server(5, port=8080)  # type: ignore[call-overload]


def test_start_server_takes_the_arguments_of_every_overload() -> None:
    """Each shape reaches the same server, which says so by the error for its port."""
    port = "nowhere"
    options = {"listening_ports": port}
    pairs = ["listening_ports", port]
    callbacks = http.Callbacks(begin_request=handler)
    calls: list[Callable[[], http.Context]] = [
        lambda: http.start_server(callbacks, None, options),
        lambda: http.start_server(callbacks, options=pairs),
        lambda: http.start_server(options=options),
        lambda: http.start_server(None, None, options),
        lambda: http.start_server(None, options),
        lambda: http.start_server(callbacks, pairs),
        lambda: http.start_server(None, port),
        lambda: http.start_server(handler, None, options),
        lambda: http.start_server(handler, pairs),
        lambda: http.start_server(callback=handler, options=tuple(pairs)),
        lambda: http.start_server(handler, None, port),
        lambda: http.start_server(handler, port),
        lambda: http.start_server(handler, port=port),
        lambda: http.start_server(None, object(), port=port),
    ]
    for call in calls:
        with pytest.raises(errors.InvalidArgumentError, match='"nowhere"'):
            call()


def test_a_port_in_use(server: Server) -> None:
    with pytest.raises(errors.AddressInUseError, match=str(server.port)) as caught:
        http.start_server(handler, f"127.0.0.1:{server.port}")
    assert isinstance(caught.value, OSError)


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(errors.MissingFileError, match=str(missing)) as caught:
        http.start_server(
            handler,
            {"listening_ports": "127.0.0.1:0s", "ssl_certificate": str(missing)},
        )
    assert isinstance(caught.value, FileNotFoundError)


def test_a_failed_start_leaves_its_port_free() -> None:
    port = free_port()
    with pytest.raises(errors.UnknownOptionError):
        http.start_server(handler, {"listening_ports": f"127.0.0.1:{port}", "x": "y"})
    http.stop_server(http.start_server(handler, f"127.0.0.1:{port}"))


def test_a_stopped_server_is_no_server() -> None:
    with serving() as server:
        pass
    with pytest.raises(errors.InvalidHandleError):
        http.stop_server(server.context)
    with pytest.raises(errors.InvalidHandleError):
        http.set_web_socket_handler(server.context, "/", data_handler=handler)


def test_a_callback_may_stop_its_own_server() -> None:
    def on_request(connection: http.Connection) -> int:
        http.stop_server(running.context)
        return respond(connection, "the last words")

    with serving(on_request) as running:
        assert running.fetch().body == b"the last words"
        alusus_http.wait(running.context)
        with pytest.raises(errors.InvalidHandleError):
            http.stop_server(running.context)


def test_a_callback_can_start_and_stop_another_server() -> None:
    def on_request(connection: http.Connection) -> int:
        with serving(lambda inner: respond(inner, "inner")) as inner:
            return respond(connection, inner.fetch().body)

    with serving(on_request) as server:
        assert server.fetch().body == b"inner"


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("no-slash", errors.InvalidArgumentError, "/"),
        ("/a\0b", errors.InvalidArgumentError, "uri: a NUL character at position 2"),
        (b"/", TypeError, "uri: expected a str, got bytes"),
    ],
)
def test_paths_that_no_handler_takes(
    server: Server, uri: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        http.set_web_socket_handler(server.context, uri, data_handler=handler)


def test_handlers_of_a_wrong_kind(server: Server) -> None:
    with pytest.raises(TypeError, match="web_socket_message: expected a callable or a Native"):
        http.set_web_socket_handler(server.context, "/", data_handler="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="all callables or all NativeCallbacks"):
        http.set_web_socket_handler(
            server.context, "/", connect_handler=NativeCallback(1), data_handler=handler
        )
    with pytest.raises(TypeError, match=r"an address \(an int\) or None, got str"):
        http.set_web_socket_handler(
            server.context, "/", data_handler=NativeCallback(1), user_data="x"
        )
    with pytest.raises(ValueError, match="address"):
        NativeCallback(0)


def test_subprotocols_are_a_list_of_names(server: Server) -> None:
    with pytest.raises(TypeError, match="subprotocols: expected a sequence of str, got str"):
        http.set_web_socket_handler_with_subprotocols(
            server.context, "/", "chat", data_handler=handler
        )


def test_the_last_error_is_that_of_the_last_call(server: Server) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        http.set_web_socket_handler(server.context, "no-slash", data_handler=handler)
    assert http.get_last_error() == str(caught.value)
    http.set_web_socket_handler(server.context, "/slash", data_handler=handler)
    assert http.get_last_error() is None


# A terminal of its own, at which OpenSSL would ask.
LOCKED_KEY = """
import fcntl, sys, termios
from alusus_http import errors, http
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    http.start_server(None, {"listening_ports": "127.0.0.1:0s", "ssl_certificate": sys.argv[1]})
except errors.HttpError as error:
    print(error, file=sys.stderr)
"""


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path, certificate: Path) -> None:
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:secret", "-in", str(certificate)]
    locked.write_bytes(subprocess.check_output(command) + certificate.read_bytes())
    try:
        master, terminal = os.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be made ({error.strerror}): mount /dev/pts")
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOCKED_KEY, str(locked)],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=REPLY,
            text=True,
            check=False,
        )
    finally:
        os.close(master)
        os.close(terminal)
    assert f"the private key in {locked} has a passphrase" in done.stderr


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ("certificate", "has no private key that can be used"),
        ("key", "has no certificate that can be used"),
        ("key of another, certificate", "is not that of its certificate"),
        ("", "has no certificate that can be used"),
    ],
)
def test_a_certificate_that_cannot_be_used(
    parts: str, fault: str, tmp_path: Path, certificate: Path
) -> None:
    lines = certificate.read_text().splitlines(keepends=True)
    middle = next(i for i, line in enumerate(lines) if "BEGIN CERTIFICATE" in line)
    other = subprocess.check_output(["openssl", "genpkey", "-algorithm", "ed25519"], text=True)
    content = {
        "certificate": "".join(lines[middle:]),
        "key": "".join(lines[:middle]),
        "key of another, certificate": other + "".join(lines[middle:]),
        "": "nothing of the kind",
    }
    pem = tmp_path / "server.pem"
    pem.write_text(content[parts])
    options = {"listening_ports": "127.0.0.1:0s", "ssl_certificate": str(pem)}
    with pytest.raises(errors.HttpError, match=f"{pem} {fault}"):
        http.start_server(handler, options)
