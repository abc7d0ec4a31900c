"""The programs of examples/alusus/, run by the real compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.examples import behaviour
from tests.support import REPLY, ROOT, Program, free_port, running, web_socket

pytestmark = pytest.mark.alusus

IMPORT = 'import "../../alusus_stubs/Http.alusus";\n'


def run(
    alusus: str,
    program: Path,
    check: Callable[[Program], None],
    printed: str,
    env: dict[str, str] | None = None,
) -> None:
    """Run a program on a port of its own, and check what it serves and prints."""
    port = free_port()
    text = program.read_text(encoding="utf-8")
    assert "8080" in text
    program.write_text(text.replace("8080", str(port)), encoding="utf-8")
    # The working directory is the project's folder, where the chat finds its page.
    cwd = program.parent.parent.parent
    with running([alusus, program], port, cwd=cwd, env=env) as server:
        check(server)
        server.stop()  # only now is all of its output sure to be written
        assert printed in server.output
        assert "ERROR " not in server.output  # a compile error leaves the exit status at 0


def test_simple_server(alusus: str, project: Path) -> None:
    program = project / "examples/alusus/simple_server.alusus"
    run(alusus, program, behaviour.simple_server, "Server at ")


def english_echo(server: Program) -> None:
    behaviour.echo(server, "Welcome!", "<h1>WebSocket Server</h1>")


def arabic_echo(server: Program) -> None:
    behaviour.echo(server, "أهلا بك!", "<h1>خادم ويب سوكت</h1>")


def test_the_document_s_echo(alusus: str, project: Path) -> None:
    run(alusus, project / "examples/alusus/echo.alusus", english_echo, "Received: hello")


def test_chat(alusus: str, project: Path) -> None:
    run(
        alusus,
        project / "examples/alusus/chat.alusus",
        behaviour.chat_with_coming_and_going,
        "Chat at ",
    )


def test_the_arabic_simple_server(alusus: str, project: Path) -> None:
    def check(server: Program) -> None:
        behaviour.simple_server(server, "أهلا! طلبت")

    run(alusus, project / "examples/alusus/خادم_بسيط.أسس", check, "الخادم على ")


def test_the_arabic_chat(alusus: str, project: Path) -> None:
    def check(server: Program) -> None:
        behaviour.chat(server, "* انضم أحدهم", "* خرج أحدهم")

    run(alusus, project / "examples/alusus/دردشة.أسس", check, "الدردشة على ")


ARABIC_VISITOR = behaviour.Visitor(
    "أنت في الدردشة على", "زائر: السلام عليكم", r"الحالة 200، [1-9]\d* بايت", "انتهت الدردشة."
)


@pytest.mark.parametrize(
    ("name", "says"),
    [("chat_client.alusus", behaviour.VISITOR), ("عميل_دردشة.أسس", ARABIC_VISITOR)],
    ids=["English", "Arabic"],
)
def test_chat_client(alusus: str, project: Path, name: str, says: behaviour.Visitor) -> None:
    def visit(server: Program) -> None:
        client = project / "examples/alusus" / name
        text = client.read_text(encoding="utf-8")
        client.write_text(text.replace("8080", str(server.port)), encoding="utf-8")
        with running([alusus, client], server.port) as visitor:
            behaviour.chat_client(server, visitor, says)

    run(alusus, project / "examples/alusus/chat.alusus", visit, "Chat at ")


def test_the_arabic_echo(alusus: str, project: Path) -> None:
    run(alusus, project / "examples/alusus/صدى.أسس", arabic_echo, "الخادم")


def test_form(alusus: str, project: Path) -> None:
    run(alusus, project / "examples/alusus/form.alusus", behaviour.form, "Form at ")


def test_the_arabic_form(alusus: str, project: Path) -> None:
    run(alusus, project / "examples/alusus/نموذج.أسس", behaviour.form, "النموذج")


@pytest.fixture
def installed(alusus: str, project: Path) -> tuple[str, dict[str, str]]:
    """Install the package for Apm; return the statement that imports it, offline, and its HOME.

    That is importFile up to Alusus 0.14 and importPackage later; each knows only its own.
    """
    version = (ROOT / "VERSION").read_text().strip()
    group = project / "home/.apm/Alusus"
    group.mkdir(parents=True)
    shutil.copytree(project / "alusus_stubs", group / f"Http@{version}")
    (group / "Http").symlink_to(f"Http@{version}")
    home = {"HOME": str(project / "home")}

    outputs = {}
    for call in ('importFile("Alusus/Http")', 'importPackage("Alusus/Http@0.3")'):
        statement = f"Apm.{call};"
        probe = project / "probe.alusus"
        probe.write_text(f'import "Apm.alusus";\n{statement}\n', encoding="utf-8")
        done = subprocess.run(
            [alusus, probe],
            cwd=project,
            env=os.environ | home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        outputs[statement] = done.stdout + done.stderr
    working = [statement for statement, output in outputs.items() if "ERROR " not in output]
    assert working, outputs
    return working[0], home


def test_the_document_s_echo_with_the_installed_package(
    alusus: str, project: Path, installed: tuple[str, dict[str, str]]
) -> None:
    statement, home = installed
    program = project / "examples/alusus/echo.alusus"
    text = program.read_text(encoding="utf-8")
    assert IMPORT in text
    text = text.replace(IMPORT, f'import "Apm.alusus";\n{statement}\n')
    program.write_text(text, encoding="utf-8")
    run(alusus, program, english_echo, "Received: hello", home)


def test_the_readme_s_program(
    alusus: str, project: Path, installed: tuple[str, dict[str, str]]
) -> None:
    statement, home = installed
    tokens = MarkdownIt().parse((ROOT / "README.md").read_text(encoding="utf-8"))
    (text,) = [token.content for token in tokens if token.info == "alusus"]
    assert 'Apm.importFile("Alusus/Http");' in text
    text = text.replace('Apm.importFile("Alusus/Http");', statement)
    program = project / "examples/alusus/readme.alusus"
    program.write_text(text, encoding="utf-8")

    def check(server: Program) -> None:
        with web_socket(server, "/echo") as client:
            client.send("مرحبا")
            assert client.recv(REPLY) == "مرحبا"

    run(alusus, program, check, "A client has left", home)
