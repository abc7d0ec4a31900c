"""Alusus text to a syntax tree: every rule of the declaration grammar."""

from __future__ import annotations

import pytest

from alusus_codegen.printer import print_parameter, print_type
from alusus_codegen.syntax import (
    Action,
    Alias,
    Class,
    Constant,
    Expression,
    Function,
    FunctionType,
    Handler,
    Import,
    Literal,
    Macro,
    MemberType,
    Module,
    NamedType,
    PackType,
    Use,
    Variable,
)
from tests.codegen.parsing import parse, parse_one


def parameters(function: Function | Handler) -> list[str]:
    return [print_parameter(parameter) for parameter in function.parameters or ()]


def returns(function: Function | Handler) -> str | None:
    return print_type(function.returns) if function.returns else None


# Functions


def test_function() -> None:
    function = parse_one("func f(a: Int, b: ptr[Char]): Bool;", Function)
    assert function.name == "f"
    assert parameters(function) == ["a: Int", "b: ptr[Char]"]
    assert returns(function) == "Bool"
    assert (function.body, function.symbol, function.modifiers) == ("", "", ())


@pytest.mark.parametrize("word", ["func", "function", "دالة", "دالّة"])
def test_words_for_func(word: str) -> None:
    assert parse_one(f"{word} f();", Function).name == "f"


def test_arrow_before_the_result() -> None:
    assert parse("func f(a: Int) => Bool;") == parse("func f(a: Int): Bool;")


def test_function_without_parentheses() -> None:
    function = parse_one("func f { return 1 }", Function)
    assert (function.parameters, function.returns) == ((), None)
    assert returns(parse_one("func f: Int { return 1 }", Function)) == "Int"


def test_function_without_a_name() -> None:
    assert parse_one("func (a: Int) {}", Function).name == ""


def test_unnamed_parameters() -> None:
    function = parse_one("func f(Int, b: Int, ptr[array[Char]]);", Function)
    assert [parameter.name for parameter in function.parameters] == ["", "b", ""]
    assert parameters(function) == ["Int", "b: Int", "ptr[array[Char]]"]


def test_trailing_and_empty_list_items() -> None:
    assert parse("func f(, a: Int,, b: Int,);") == parse("func f(a: Int, b: Int);")
    assert parse("@m[a,,b,] def x: A[Int,];") == parse("@m[a, b] def x: A[Int];")


def test_keywords_may_be_names_of_parameters() -> None:
    function = parse_one("func f(module: Int, handler: closure (Int), or: Int);", Function)
    assert [parameter.name for parameter in function.parameters] == ["module", "handler", "or"]


@pytest.mark.parametrize(
    ("pack", "name", "item", "minimum", "maximum"),
    [
        ("...any", "", "any", "", ""),
        ("args: ...any", "args", "any", "", ""),
        ("opts: ...CharsPtr", "opts", "CharsPtr", "", ""),
        ("...[Int]", "", "Int", "", ""),
        ("n: ...[ptr[Int], 1]", "n", "ptr[Int]", "1", ""),
        ("...[Int, 1, 5]", "", "Int", "1", "5"),
        ("معطيات: ...أيما", "معطيات", "any", "", ""),
    ],
)
def test_pack(pack: str, name: str, item: str, minimum: str, maximum: str) -> None:
    function = parse_one(f"func f(a: Int, {pack});", Function)
    assert function.pack is not None
    assert function.pack.name == name
    type_ = function.pack.type
    assert isinstance(type_, PackType)
    assert print_type(type_.item) == item
    assert (type_.minimum, type_.maximum) == (minimum, maximum)


def test_function_without_a_pack() -> None:
    assert parse_one("func f(a: Int);", Function).pack is None


def test_template() -> None:
    function = parse_one("func f [T: type, n: int = 3, U] (a: T): U;", Function)
    template = [(part.name, part.kind, part.default) for part in function.template]
    assert template == [("T", "type", ""), ("n", "int", "3"), ("U", "", "")]


def test_body_is_kept_as_written() -> None:
    body = "{ if a { b(\"}\") } // }\n  /* } */ c('}'); }"
    assert parse_one(f"func f() {body} ;", Function).body == body


# Modifiers


def test_symbol_before_func() -> None:
    assert parse_one("@expname[c_name] func f();", Function).symbol == "c_name"
    assert parse_one('@expname["c_name"] func f();', Function).symbol == "c_name"
    assert parse_one("@اسم_تصدير[c_name] دالة أ()؛", Function).symbol == "c_name"


def test_symbol_of_a_handler() -> None:
    (handler,) = parse_one("class A { @expname[c_name] handler this.f() {} }", Class).members
    assert isinstance(handler, Handler)
    assert handler.symbol == "c_name"


def test_symbol_behind_def() -> None:
    assert parse("def f: @expname[x] function (a: Int): Int;") == parse(
        "@expname[x] func f(a: Int): Int;"
    )


def test_modifiers_keep_their_arguments_and_places() -> None:
    function = parse_one('@a @b[-1, x.y(1, 2), "s"]\n@c[]\nfunc f();', Function)
    assert [modifier.name for modifier in function.modifiers] == ["a", "b", "c"]
    assert [modifier.words for modifier in function.modifiers] == [
        (),
        ("-1", "x.y(1, 2)", '"s"'),
        (),
    ]
    second = function.modifiers[1]
    assert (second.span.line, second.span.column) == (1, 4)
    assert [argument.span.column for argument in second.arguments] == [7, 11, 22]


def test_modifiers_of_members() -> None:
    class_ = parse_one("class A { @shared def x: Int; @m handler this.y(): Int; }", Class)
    assert [member.modifiers[0].name for member in class_.members] == ["shared", "m"]


# Definitions


def test_aliases() -> None:
    def target(text: str) -> str:
        alias = parse_one(f"def A: {text};", Alias)
        return print_type(alias.target)

    assert target("alias Http.Context") == "Http.Context"
    assert target("alias ptr[func (a: Int)]") == "ptr[func (a: Int)]"
    assert target("alias func (Int) => Bool") == "func (Int): Bool"
    assert target("لقب startServer") == "startServer"
    assert target("alias a.find(1).type") == "a.find(1).type"


@pytest.mark.parametrize("value", ["5", "-5i32", '"a" "b"', "1 << 3 | 4", "'x'", "(1 + 2)"])
def test_constant(value: str) -> None:
    assert parse_one(f"def N: {value};", Constant).value == value


def test_variables() -> None:
    def variable(text: str) -> list[str | None]:
        found = parse_one(f"def x: {text};", Variable)
        return [
            print_type(found.type) if found.type else None,
            found.arguments.text if found.arguments else None,
            found.value.text if found.value else None,
        ]

    assert variable("Int") == ["Int", None, None]
    assert variable("Int = 5 + y") == ["Int", None, "5 + y"]
    assert variable("String(1, (2))") == ["String", "(1, (2))", None]
    assert variable("ref[A](obj~ptr~cast[B])") == ["ref[A]", "(obj~ptr~cast[B])", None]
    assert variable("open(1).reader + 2") == [None, None, "open(1).reader + 2"]
    assert variable("Ref[A]().{ construct()~init(1); }") == [
        *(None, None),
        "Ref[A]().{ construct()~init(1); }",
    ]


def test_words_for_def() -> None:
    assert parse("عرف س: صحيح؛") == parse("عرّف س: صحيح") == parse("def س: صحيح;")


def test_def_of_class_module_and_macro() -> None:
    assert parse("def A: class { def x: Int }") == parse("class A { def x: Int }")
    assert parse("def A: @merge module { use B }") == parse("@merge module A { use B }")
    assert parse("def a: macro [b] b + 1;") == parse("macro a [b] b + 1;")


# Types


@pytest.mark.parametrize(
    "text",
    [
        "Int[64]",
        "array[Char, 48]",
        "Http.Connection",
        "ptr[ptr[Void]]",
        "Map[String, ref[Array[Int]]]",
        "func (a: Int, ...any): ptr[Void]",
        "closure (ref[Int], b: Int): Bool",
        "closure (Int)",
        "this_type",
        "Foo~ptr",
        "A[Int].B[C]~d",
        "array[Int, N * 2]",
        "func (func (Int): Int): func (Int)",
    ],
)
def test_type_is_printed_as_written(text: str) -> None:
    assert print_type(parse_one(f"func f(x: {text});", Function).parameters[0].type) == text


def test_parts_of_types() -> None:
    (parameter,) = parse_one("func f(x: A.B[Int, 5, n + 1].C~ptr);", Function).parameters
    pointer = parameter.type
    assert isinstance(pointer, MemberType)
    member = pointer.owner
    assert isinstance(member, MemberType)
    owner = member.owner
    assert isinstance(owner, NamedType)
    assert (pointer.operator, pointer.name, member.operator, member.name) == ("~", "ptr", ".", "C")
    assert owner.name == "A.B"
    assert [type(argument) for argument in owner.arguments] == [NamedType, Literal, Expression]


def test_arabic_types_are_printed_in_english() -> None:
    function = parse_one("دالة أ(س: مؤشر[مصفوفة[محرف، 5]]): سند[صـنف]؛", Function)
    assert parameters(function) == ["س: ptr[array[محرف, 5]]"]
    assert returns(function) == "ref[صـنف]"


def test_closures_under_another_name() -> None:
    function = parse_one("دالة أ(س: مغلفة(صحيح)، ع: تابع(ص: صحيح): صحيح)؛", Function)
    assert all(isinstance(parameter.type, FunctionType) for parameter in function.parameters)
    assert parameters(function) == ["س: closure (صحيح)", "ع: closure (ص: صحيح): صحيح"]


# Classes and handlers


def test_empty_class() -> None:
    assert parse_one("class A {}", Class).members == ()


def test_class_with_a_template() -> None:
    class_ = parse_one("class A [T: type = Int] { def x: T; }", Class)
    assert [(part.name, part.kind, part.default) for part in class_.template] == [
        ("T", "type", "Int")
    ]


def test_members_without_semicolons() -> None:
    text = "class A { def x: Int def y: B(1) ; ; func f() {} @m func g(); use C def N: 5 }"
    kinds = [type(member) for member in parse_one(text, Class).members]
    assert kinds == [Variable, Variable, Function, Function, Use, Constant]


@pytest.mark.parametrize(
    ("text", "subject", "operator", "params", "result", "pointer", "body"),
    [
        ("this~init() {}", "this~init", "", [], None, "", "{}"),
        ("this~init(ref[A]) this.x = 1", "this~init", "", ["ref[A]"], None, "", "this.x = 1"),
        ("this~cast[ptr[A]] return x", "this~cast[ptr[A]]", "", None, None, "", "return x"),
        ("this.get(a: Int): B {}", "this.get", "", ["a: Int"], "B", "", "{}"),
        ("this.size: Int return 5;", "this.size", "", None, "Int", "", "return 5"),
        ("this.size: Int set_ptr {}", "this.size", "", None, "Int", "set_ptr", "{}"),
        ("this.size: Int as_ptr;", "this.size", "", None, "Int", "as_ptr", ""),
        ("this.size = Int this.n = value", "this.size", "=", ["Int"], None, "", "this.n = value"),
        ("this + Int: A {}", "this", "+", ["Int"], "A", "", "{}"),
        ("this == other: ref[A] => Bool {}", "this", "==", ["other: ref[A]"], "Bool", "", "{}"),
        ("this += (x: Int) {}", "this", "+=", ["x: Int"], None, "", "{}"),
        ("this(i: Int): ref[A] return x", "this", "", ["i: Int"], "ref[A]", "", "return x"),
        ("this(i: Int) = A {}", "this", "=", ["i: Int", "A"], None, "", "{}"),
        ("-this: A {}", "-this", "", None, "A", "", "{}"),
        ("[T: type] (a: T): Int {}", "", "", ["a: T"], "Int", "", "{}"),
        ("هذا.اسم: نـص {}", "this.اسم", "", None, "نـص", "", "{}"),
        ("this.f() if a { b } else c(1);", "this.f", "", [], None, "", "if a { b } else c(1)"),
    ],
)
def test_handler(
    text: str,
    subject: str,
    operator: str,
    params: list[str] | None,
    result: str | None,
    pointer: str,
    body: str,
) -> None:
    (handler,) = parse_one(f"class A {{ handler {text} }}", Class).members
    assert isinstance(handler, Handler)
    assert (handler.subject, handler.operator) == (subject, operator)
    assert (None if handler.parameters is None else parameters(handler)) == params
    assert (returns(handler), handler.pointer, handler.body) == (result, pointer, body)


def test_handlers_without_bodies_or_semicolons() -> None:
    text = "class A { handler this.a: Int handler this.b() def c: Int }"
    kinds = [type(member) for member in parse_one(text, Class).members]
    assert kinds == [Handler, Handler, Variable]


# Modules, imports, macros


def test_nested_modules() -> None:
    outer = parse_one("module A { module B { func f(); }; class C {} def x: Int };", Module)
    assert [type(member) for member in outer.members] == [Module, Class, Variable]


def test_imports() -> None:
    def paths(text: str) -> tuple[str, ...]:
        return parse_one(text, Import).paths

    assert paths('import "Srl/Console.alusus";') == ("Srl/Console.alusus",)
    assert paths('import "a.so.1" or "a.dylib" || "a.dll"') == ("a.so.1", "a.dylib", "a.dll")
    assert paths('اشمل "أ" أو "ب"؛') == ("أ", "ب")
    assert paths('import "a/" "b";') == ("a/b",)


def test_use() -> None:
    assert parse_one("use Srl.Console;", Use).path == "Srl.Console"
    assert parse("استخدم متم؛") == parse("use متم;")


@pytest.mark.parametrize("text", ["macro m [a, b] { a + b }", "ماكرو m [a، b] { a + b }"])
def test_macro(text: str) -> None:
    macro = parse_one(text, Macro)
    assert ([part.name for part in macro.parameters], macro.body) == (["a", "b"], "{ a + b }")


def test_placeholders_in_macro_bodies() -> None:
    macro = parse_one("macro m [a] { def {{a}}: Int; func __a__() {} };", Macro)
    assert macro.body == "{ def {{a}}: Int; func __a__() {} }"


# What declares nothing


@pytest.mark.parametrize(
    "text",
    [
        "Main.start()",
        "Module.function~ptr",
        "x~cast[ptr[T]].y(1)",
        "a.b[c](d) = e",
        "a = b, c = d",
        "++i",
        "i++",
        "-a + !b && not c or d ? e",
        'print("a" "b", { 1; 2 })',
        "x = func (a: Int): Int { return a }",
        "x = closure (a: Int) => Int { return a }",
        "obj.{ a = 1; b() }",
        "insert(ast { func {{name}}() {} })",
        "if a > 5 { b() } else if c d() else { e() }",
        "while x < 10 { x++ }",
        "for i = 0, i < 10, ++i { print(i) }",
        "for def i: Int = 0, i < 10, i++ print(i)",
        "preprocess { a; b }",
        "{ a; b }",
        "return x",
        "handler.call(5)",
        "module = 5",
        "{{name}}",
    ],
)
def test_action_is_one_statement(text: str) -> None:
    assert [
        statement.text
        for statement in parse(f"{text}; def end: Int")
        if isinstance(statement, Action)
    ] == [text]


def test_actions_need_no_semicolons() -> None:
    statements = parse("a.b() c = d e~f def x: Int { g } h")
    assert [getattr(statement, "text", "def") for statement in statements] == [
        *("a.b()", "c = d", "e~f"),
        *("def", "{ g }", "h"),
    ]


def test_arabic_program() -> None:
    text = """
    اشمل "متم/طرفية"؛  // تعليق
    وحدة مثال {
        استخدم مـتم؛
        @دمج صنف شـيء { عرف عضو: لقب member؛ عملية هذا~هيئ() { } }
        عرف عدد: ٥؛
    }؛
    مثال.شغل()؛
    """.replace("٥", "5")
    import_, module, action = parse(text)
    assert isinstance(module, Module)
    assert [type(member) for member in module.members] == [Use, Class, Constant]
    assert isinstance(import_, Import)
    assert isinstance(action, Action)


def test_places_are_those_of_the_source() -> None:
    class_ = parse_one("\n  class A {\n\tdef x:\n    ptr[B];\n}", Class)
    (field,) = class_.members
    assert isinstance(field, Variable)
    assert field.type is not None
    assert [(node.span.line, node.span.column) for node in (class_, field, field.type)] == [
        (2, 3),
        (3, 2),
        (4, 5),
    ]


def test_nesting_up_to_the_limit() -> None:
    parse("def x: " + "ptr[" * 99 + "Int" + "]" * 99)
    parse("module A {" * 99 + "}" * 99)
    parse("(" * 5_000 + ")" * 5_000)
