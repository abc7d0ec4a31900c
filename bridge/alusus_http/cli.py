"""The command `alusus-http`, and `python -m alusus_http`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from . import __version__, _loading, _reloading, _signals, asgi, errors, http, wait, wsgi
from ._access_log import FORMATS
from ._library import lib
from ._options import listening_ports
from ._rfc6455 import BINARY, TEXT
from .server import Server

_LARGEST = str(64 << 20)  # bytes of a message: what conformance suites send fits


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser().parse_args(given)
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = parsed.run(parsed, given)
    except asgi.LifespanError as error:
        sys.exit(f"alusus-http: the application did not start: {error}")
    except (errors.HttpError, _loading.LoadError) as error:
        sys.exit(f"alusus-http: {_by_names_given(str(error), parsed)}")
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


# serve


def _serve(arguments: argparse.Namespace, given: Sequence[str]) -> int:
    folder = Path(arguments.app_dir).resolve()
    if not folder.is_dir():
        raise _loading.LoadError(f"--app-dir: there is no folder {folder}")
    _refuse_contradictions(arguments)
    if arguments.reload:
        rest = [argument for argument in given if argument != "--reload"]
        return _reloading.run(_reloading.command_line(rest), folder)
    level = arguments.log_level.upper()
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    application = _loading.load(arguments.application, folder, factory=arguments.factory)
    if isinstance(application, Server):
        _refuse_options_of_applications(arguments)
        application.serve_forever()
        return 0
    for name, default in _OF_APPLICATIONS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
    if arguments.access_log is not None:
        _log_accesses()
    interface = arguments.interface or _loading.interface(application)
    print(f"Starting {arguments.application} ({interface.upper()})", flush=True)
    options = _options(arguments)
    if interface == "asgi":
        return _run(_serve_asgi(application, options, arguments), arguments.loop)
    return _serve_wsgi(application, options, arguments)


# The options of the server that the command makes for an application, and their defaults.
_OF_APPLICATIONS: dict[str, Any] = {
    "interface": None,
    "host": "127.0.0.1",
    "port": 8000,
    "unix": None,
    "certificate": None,
    "key": None,
    "workers": 100,
    "root_path": "",
    "loop": "asyncio",
    "access_log": None,
    "option": [],
}


def _refuse_options_of_applications(arguments: argparse.Namespace) -> None:
    given = [name for name in _OF_APPLICATIONS if getattr(arguments, name) is not None]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise _loading.LoadError(
            f"{arguments.application} is a Server, which has its own options: leave out {names} "
            "and say it where the Server is made, such as Server(8000, options={...})"
        )


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Options that another one would leave without effect."""
    tcp = ("host", "port", "certificate", "key")
    of_tcp = [name for name in tcp if getattr(arguments, name) is not None]
    if arguments.unix is not None and of_tcp:
        names = ", ".join(f"--{name}" for name in of_tcp)
        raise errors.InvalidArgumentError(
            f"--unix is a place by itself, without TLS: leave out {names}"
        )
    if arguments.key is not None and arguments.certificate is None:
        raise errors.InvalidArgumentError("--key belongs to a certificate: give --certificate, too")
    if arguments.access_log is not None and "access_log_file" in dict(arguments.option or ()):
        raise errors.InvalidArgumentError(
            "--access-log prints the lines that access_log_file would hold: leave out one of them"
        )


def _log_accesses() -> None:
    """Access lines go to the standard output as they are, and nowhere else."""
    logger = logging.getLogger("alusus_http.access")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _options(arguments: argparse.Namespace) -> dict[str, str]:
    options = {"num_threads": str(arguments.workers)}
    if arguments.unix is not None:
        options["listening_ports"] = f"x{arguments.unix}"
    else:
        options["listening_ports"] = listening_ports(
            arguments.host, arguments.port, secure=arguments.certificate is not None
        )
    if arguments.certificate is not None:
        options["ssl_certificate"] = _certificate(arguments.certificate, arguments.key)
    options.update(arguments.option)
    return options


def _certificate(certificate: str, key: str | None) -> str:
    """The path of a file with both: in memory when they are two files."""
    if key is None:
        return certificate
    try:
        content = b"\n".join(Path(path).read_bytes() for path in (certificate, key))
    except OSError as error:
        raise errors.MissingFileError(
            f"{error.filename} cannot be read: {error.strerror}; give the path of a PEM file"
        ) from error
    descriptor = os.memfd_create("certificate")
    os.write(descriptor, content)
    return f"{_DESCRIPTORS}{descriptor}"


_DESCRIPTORS = "/proc/self/fd/"


def _by_names_given(message: str, arguments: argparse.Namespace) -> str:
    """An error about the file in memory, as one about the two that it was made of."""
    if getattr(arguments, "key", None) is None:
        return message
    names = f"{arguments.key} and {arguments.certificate}"
    return re.sub(rf"{_DESCRIPTORS}\d+", lambda _: names, message)


def _say_started(arguments: argparse.Namespace, ports: list[int]) -> None:
    if arguments.unix is not None:
        address = f"unix:{arguments.unix}"
    else:
        scheme = "http" if arguments.certificate is None else "https"
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        address = f"{scheme}://{host}:{ports[0]}"
    print(f"Listening at {address}\nPress Ctrl-C to stop.", flush=True)


def _run(main: Coroutine[Any, Any, int], loop: str) -> int:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop == "uvloop":
        try:
            import uvloop
        except ImportError:
            main.close()
            raise _loading.LoadError('there is no uvloop: run "pip install uvloop"') from None
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def _serve_asgi(
    application: asgi.Application,
    options: dict[str, str],
    arguments: argparse.Namespace,
) -> int:
    stopped = asyncio.Event()
    server = asgi.Server(
        application,
        options,
        root_path=arguments.root_path,
        log_access=FORMATS.get(arguments.access_log),
    )
    with _signals.heeded_in_loop(stopped.set):
        await server.start()
        _say_started(arguments, server.ports)
        await stopped.wait()
        print("Stopping", flush=True)
        await server.stop()
    return 0


def _serve_wsgi(application: Any, options: dict[str, str], arguments: argparse.Namespace) -> int:
    stopped: SimpleQueue[None] = SimpleQueue()
    server = wsgi.Server(
        application,
        options,
        root_path=arguments.root_path,
        log_access=FORMATS.get(arguments.access_log),
    )
    with _signals.heeded(lambda: stopped.put(None)):
        server.start()
        _say_started(arguments, server.ports)
        _signals.wait(stopped)
        print("Stopping", flush=True)
        server.stop()
    return 0


# The other commands


def _echo(arguments: argparse.Namespace, given: Sequence[str]) -> int:
    def on_message(connection: http.Connection, opcode: int, data: bytes, user_data: object) -> int:
        if opcode in (TEXT, BINARY):
            http.write_to_web_socket(connection, opcode, data)
        return 1

    address = f"127.0.0.1:{arguments.port}"
    context = http.start_server(
        None,
        None,
        {
            "listening_ports": address,
            "websocket_max_message_size": _LARGEST,
            "websocket_max_queue_size": _LARGEST,
        },
    )
    with suppress(KeyboardInterrupt):
        http.set_web_socket_handler(context, "/", data_handler=on_message)
        print(f"Echo at ws://{address}/\nPress Ctrl-C to stop.", flush=True)
        wait(context)
    http.stop_server(context)
    return 0


def _where(arguments: argparse.Namespace, given: Sequence[str]) -> int:
    folder = Path(__file__).parent
    flags = [f"-I{folder / 'include'}"] * arguments.cflags
    flags += [f"-L{folder}", f"-Wl,-rpath,{folder}", "-lalusus_http"] * arguments.libs
    if flags:
        print(shlex.join(flags))
        return 0
    print(f"library: {folder / 'libalusus_http.so'}")
    print(f"headers: {folder / 'include'}")
    print(f"package: {folder}")
    print(f"Alusus: {_alusus_package()}")
    return 0


def _alusus_package() -> str:
    """Where Alusus's package manager has the package of this version, or what to do."""
    name = f"Alusus/Http@{__version__}"
    package = Path(os.environ.get("APM_DIR") or Path.home() / ".apm", name)
    if package.is_dir():
        return str(package)
    return f'there is no {package}; run "make install-alusus" in the source to install it'


def _info(arguments: argparse.Namespace, given: Sequence[str]) -> int:
    library = http.get_library_info()
    print(f"alusus_http: {__version__}")
    print(f"library: {library.version}")
    print(f"CivetWeb: {library.civetweb}")
    print(f"contract: version {lib.ah_contract_version()}, {lib.ah_contract_checksum():016x}")
    print(f"Python: {sys.version.split()[0]} ({sys.executable})")
    for name, has, which in (
        ("TLS", library.has_tls, f"OpenSSL {library.open_ssl}"),
        ("compression", library.has_compression, f"zlib {library.zlib}"),
        ("WebSocket", library.has_web_socket, ""),
        ("IPv6", library.has_ipv6, ""),
        ("unix sockets", library.has_unix_sockets, ""),
        ("files", library.has_files, ""),
        ("CGI", library.has_cgi, ""),
    ):
        print(f"{name}: {(which or 'yes') if has else 'no'}")
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return int(text)


def _root_path(text: str) -> str:
    if text and not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no path such as /api")
    if text.endswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r}: give the path without a slash at the end")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alusus-http", description="Serve Python applications over HTTP and WebSocket."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve an application of ASGI or WSGI"))
    echo = commands.add_parser("echo", help="serve a WebSocket at / that sends every message back")
    echo.add_argument(
        "--port", type=_port, default=8080, help="the port to listen at (default: 8080)"
    )
    echo.set_defaults(run=_echo)
    where = commands.add_parser("where", help="say where the library and its packages are")
    # As pkg-config has them, which knows nothing of a virtual environment.
    where.add_argument("--cflags", action="store_true", help="print the C compiler's flags alone")
    where.add_argument("--libs", action="store_true", help="print the linker's flags alone")
    where.set_defaults(run=_where)
    info = commands.add_parser("info", help="say what these are, and what the library can do")
    info.set_defaults(run=_info)
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.set_defaults(run=_serve)
    add = serve.add_argument
    add(
        "application",
        metavar="MODULE:ATTRIBUTE",
        help="such as main:app; :app may be left out. A Server listens where it says itself",
    )
    add("--interface", choices=_loading.INTERFACES, help="default: what the application looks like")
    add("--factory", action="store_true", help="the attribute is a function that makes it")
    add("--app-dir", default=".", metavar="FOLDER", help="where the module is (default: here)")
    add("--host", help="the address to listen at (default: 127.0.0.1)")
    add("--port", type=_port, help="the port to listen at (default: 8000)")
    add("--unix", metavar="PATH", help="listen at a unix socket instead")
    add("--certificate", metavar="FILE", help="serve TLS with this certificate, a PEM file")
    add("--key", metavar="FILE", help="the certificate's key, if it is in a file of its own")
    add(
        "--workers",
        type=_count,
        metavar="N",
        help="threads, which is how many HTTP connections are served at a time (default: 100)",
    )
    add(
        "--root-path",
        type=_root_path,
        metavar="PATH",
        help="what a proxy in front takes off the path",
    )
    add("--loop", choices=("asyncio", "uvloop"), help="the loop for ASGI (default: asyncio)")
    add("--reload", action="store_true", help="start again when a Python file changes")
    add("--access-log", nargs="?", const="common", choices=sorted(FORMATS), help="log each answer")
    add(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="of what is logged (default: info)",
    )
    add(
        "--option",
        type=_pair,
        action="append",
        metavar="NAME=VALUE",
        help="an option of the server, such as request_timeout_ms=10000; may be given repeatedly",
    )
