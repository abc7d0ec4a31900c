"""Markdown documents: sections, blocks with their lines, and the lists that document parameters."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from alusus_codegen.markdown import Document, read_document
from alusus_codegen.source import Source, SpecErrors
from alusus_codegen.syntax import Action, Alias, Function, Import, Module, Use

DOCUMENT = Path(__file__).parent / "data" / "websocket_document.md"


def read(text: str) -> Document:
    return read_document(Source("doc.md", dedent(text)))


def messages(text: str) -> list[str]:
    with pytest.raises(SpecErrors) as raised:
        read(text)
    return [str(error) for error in raised.value.diagnostics]


def test_websocket_document() -> None:
    document = read_document(Source.read(str(DOCUMENT)))
    statements = document.statements
    assert [s.name for s in statements if isinstance(s, Alias)] == [
        "WebSocketConnectCallback",
        "WebSocketReadyCallback",
        "WebSocketDataCallback",
        "WebSocketCloseCallback",
    ]
    assert [s.name for s in statements if isinstance(s, Function)] == [
        "setWebSocketHandler",
        "setWebSocketHandlerWithSubprotocols",
        "writeWebSocket",
        "writeWebSocketText",
        "writeWebSocketBinary",
        "closeWebSocket",
    ]
    *_, module, call = statements
    assert isinstance(module, Module)
    assert isinstance(call, Action)
    assert module.name == "WebSocketExample"
    assert isinstance(module.members[0], Use)
    assert [s.name for s in module.members if isinstance(s, Function)] == [
        *("start", "answer", "onConnect", "onReady", "onData", "onClose"),
    ]
    assert [s.paths[0] for s in statements if isinstance(s, Import)] == [
        *("Srl/Console.alusus", "Srl/String.alusus", "Apm.alusus"),
    ]


def test_places_in_the_websocket_document() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").split("\n")
    for statement in read_document(Source.read(str(DOCUMENT))).statements:
        line = lines[statement.span.line - 1]
        assert line[statement.span.column - 1 :].startswith(
            ("def ", "func ", "import ", "module ", "Apm.", "WebSocketExample.")
        )


def test_sections() -> None:
    document = read(
        """\
        # Http

        The introduction.

        ## Handles (`Context`)

        About *handles*.

        ### open
        ```alusus
        func open();
        ```
        Opens it.
        """
    )
    assert (document.title, document.introduction) == ("Http", "The introduction.")
    assert [
        (section.title, section.level, section.span.line, section.text, len(section.statements))
        for section in document.sections
    ] == [
        ("Handles (Context)", 2, 5, "About *handles*.", 0),
        ("open", 3, 9, "Opens it.", 1),
    ]


def test_document_without_a_title() -> None:
    document = read("Text.\n\n```alusus\nuse A;\n```\n\n## B\n\nMore.\n")
    assert (document.title, document.introduction) == ("", "Text.")
    assert [section.title for section in document.sections] == ["B"]
    assert len(document.statements) == 1


def test_text_in_front_of_the_title_belongs_to_the_introduction() -> None:
    document = read("<!-- note -->\n# A\nText.\n")
    assert (document.title, document.introduction) == ("A", "<!-- note -->\n\nText.")


def test_empty_document() -> None:
    assert read("").statements == ()


def test_text_is_markdown_without_declarations() -> None:
    (section,) = read(
        """\
        ## f

        Before.

        ```alusus
        func f(a: Int);
        ```

        After:

        ```c
        f(1);

        f(2);
        ```

        - `a`: a number

        The end.
        """
    ).sections
    assert section.text == "Before.\n\nAfter:\n\n```c\nf(1);\n\nf(2);\n```\n\nThe end."


def test_documenting_list() -> None:
    (section,) = read(
        """\
        ## f
        - `uri`: the path, such as `/a:b`
          and more of it

          in two paragraphs
        -   `مسار` (`uri`): مسار
        - `a`, `b` / `c`: three
        - Returns: 0, or -1: an error
        - الأخطاء: لا شيء
        """
    ).sections
    assert [(item.names, item.word, item.text) for item in section.items] == [
        (("uri",), "", "the path, such as `/a:b`\nand more of it\n\nin two paragraphs"),
        (("مسار", "uri"), "", "مسار"),
        (("a", "b", "c"), "", "three"),
        ((), "Returns", "0, or -1: an error"),
        ((), "الأخطاء", "لا شيء"),
    ]
    assert [(item.span.line, item.span.column) for item in section.items] == [
        *((2, 3), (6, 5), (7, 3), (8, 3), (9, 3)),
    ]
    assert section.text == ""


@pytest.mark.parametrize(
    "items",
    [
        "- `1`: text\n- `2`: binary",
        "- first\n- second",
        "- `a`: one\n- and something else",
        "- Fast: yes\n- Small: yes",
        "- `a` is one: not a key\n- `b`: two",
        "1. `a`: one",
    ],
)
def test_other_lists_are_text(items: str) -> None:
    (section,) = read(f"## f\n{items}\n").sections
    assert (section.items, section.text) == ((), items)


def test_the_last_list_documents() -> None:
    (section,) = read("## f\n- `a`: one\n\nText.\n\n- `b`: two\n").sections
    assert [item.names for item in section.items] == [("b",)]
    assert section.text == "- `a`: one\n\nText."


@pytest.mark.parametrize("info", ["alusus", "ألوسوس", "الأسس", " Alusus title=example"])
@pytest.mark.parametrize("fence", ["```", "~~~", "`````"])
def test_fences(info: str, fence: str) -> None:
    assert len(read(f"{fence}{info}\nuse A;\n{fence}\n").statements) == 1


def test_other_blocks_are_not_read() -> None:
    assert read("```javascript\nlet (;\n```\n\n    indented (;\n\n`inline (`\n").statements == ()


def test_places_in_indented_and_quoted_blocks() -> None:
    document = read(
        """\
        # A

        1. First:

           ```alusus
           def x: Int;
             def y: Int;
           ```

           > ```alusus
           > def z: Int;
           > ```
        """
    )
    assert [(s.span.line, s.span.column) for s in document.statements] == [(6, 4), (7, 6), (11, 6)]


def test_errors_of_all_blocks_are_reported_together() -> None:
    assert messages(
        """\
        # A

        ```alusus
        def x Int;
        ```

        - item

          ```alusus
          func f() {
              g(;
          }
          ```

        ```alusus
        class A {
        ```

        ```alusus
        def fine: Int;
        ```
        """
    ) == [
        "doc.md:4:7: unexpected 'Int'; expected ':' behind the name 'x'",
        "doc.md:11:9: unexpected ';'; expected ')' for the '(' at 11:8",
        "doc.md:16:9: this '{' is never closed; expected '}' before the text ends at line 16",
    ]


def test_a_fence_without_an_end() -> None:
    assert messages("# A\n\n```alusus\nuse A;\n\n## B\n") == [
        "doc.md:3:1: this block is never closed; expected a line of '```' behind it"
    ]
