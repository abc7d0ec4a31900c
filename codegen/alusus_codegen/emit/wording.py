"""The words of the reference that are its own and not the spec's, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a page; keys of the mappings are the model's."""

    rtl: bool
    other_page: str  # the link to the page in the other language
    version: str
    contents: str
    types: str
    types_text: str
    python_pointer: str
    index: str
    index_text: str
    ours_mark: str
    ours_note: str
    called: str  # before the names in the other language of Alusus

    alusus: str
    c: str
    python: str
    availability: str
    alusus_only: str

    name_columns: tuple[str, str, str]
    parameters: str
    type: str
    meaning: str
    null: str
    lifetime: str
    offset: str
    size: str
    alignment: str
    layout: str

    yes: str
    no: str
    when_empty: str
    none: str
    copied: str
    of_program: str
    lifetimes: Mapping[str, str]

    returns: str
    may_be_null: str
    thread: str
    threads: Mapping[str, str]
    on_failure: str
    failure: str
    failures: Mapping[str, str]
    errors: str

    comma: str
    alternative: str


WORDINGS = {
    "en": Wording(
        rtl=False,
        other_page="[العربية](http.ar.md)",
        version="Version {version} · contract {contract}, `{checksum}`",
        contents="Contents",
        types="Types",
        types_text="Each type of the declarations above in the three languages; sizes and "
        "alignments are bytes, on 64-bit Linux. Callbacks and classes are declared in their "
        "own sections.",
        python_pointer="`int`; as user data any `object`",
        index="Index of names",
        index_text="Every function, type and member by its English name.",
        ours_mark=" †",
        ours_note="† An Arabic name that this project has chosen, since none was published.",
        called="In Arabic",
        alusus="Alusus",
        c="C",
        python="Python",
        availability="Available in",
        alusus_only="Alusus only.",
        name_columns=("Alusus", "Arabic", "C and Python"),
        parameters="Parameters",
        type="Type",
        meaning="Meaning",
        null="Null",
        lifetime="Lifetime",
        offset="Offset",
        size="Size",
        alignment="Alignment",
        layout="Layout: {size} bytes, aligned to {alignment}",
        yes="yes",
        no="no",
        when_empty="when the length is 0",
        none="-",
        copied="copied",
        of_program="the program's",
        lifetimes={
            "call": "the call",
            "request": "the request",
            "connection": "the connection",
            "server": "the server",
            "thread": "until this thread's next call",
        },
        returns="Returns",
        may_be_null="May be null.",
        thread="Thread",
        threads={
            "worker": "a worker",
            "starter": "the starter",
            "any": "any of the server's threads",
        },
        on_failure="C gets on failure",
        failure="On failure",
        failures={
            "": "nothing is done; Python raises an exception",
            "-1": "`-1`; Python raises an exception",
            "NULL": "null; Python raises an exception",
        },
        errors="Errors",
        comma=", ",
        alternative=" or ",
    ),
    "ar": Wording(
        rtl=True,
        other_page="[English](http.md)",
        version="الإصدار {version}، العقد {contract}، `{checksum}`",
        contents="المحتويات",
        types="الأنواع",
        types_text="كل نوع ورد في التعريفات أعلاه في اللغات الثلاث؛ الأحجام والمحاذاة بالبايت على "
        "لينكس 64 بتًا. أما المناديات والأصناف فمعرَّفة في أقسامها.",
        python_pointer="`int`؛ وبيانات المستخدم أي `object`",
        index="فهرس الأسماء",
        index_text="كل دالة ونوع وعضو مرتبة بأسمائها العربية.",
        ours_mark=" †",
        ours_note="† اسم عربي اختاره هذا المشروع لأن المنشور لا يذكر له اسمًا عربيًا.",
        called="الأسماء",
        alusus="الأسس",
        c="سي",
        python="بايثون",
        availability="متاحة في",
        alusus_only="لغة الأسس وحدها.",
        name_columns=("العربية", "الإنجليزية", "سي وبايثون"),
        parameters="المعطيات",
        type="النوع",
        meaning="المعنى",
        null="أيكون فارغًا؟",
        lifetime="العمر",
        offset="الإزاحة",
        size="الحجم",
        alignment="المحاذاة",
        layout="التخطيط: الحجم بالبايت {size}، والمحاذاة {alignment}",
        yes="نعم",
        no="لا",
        when_empty="إذا كان الطول 0",
        none="-",
        copied="يُنسخ",
        of_program="ملك البرنامج",
        lifetimes={
            "call": "النداء",
            "request": "الطلب",
            "connection": "الاتصال",
            "server": "الخادم",
            "thread": "حتى النداء التالي من الخيط نفسه",
        },
        returns="يعيد",
        may_be_null="قد يكون فارغًا.",
        thread="الخيط",
        threads={
            "worker": "خيط عامل",
            "starter": "خيط التشغيل",
            "any": "أي خيط من خيوط الخادم",
        },
        on_failure="ما يصل إلى سي عند الفشل",
        failure="عند الفشل",
        failures={
            "": "لا يُفعل شيء؛ وترفع بايثون استثناءً",
            "-1": "`-1`؛ وترفع بايثون استثناءً",
            "NULL": "مؤشر فارغ؛ وترفع بايثون استثناءً",
        },
        errors="الأخطاء",
        comma="، ",
        alternative=" أو ",
    ),
}


@dataclass(frozen=True, slots=True)
class CoverageWording:
    """The words of the page about CivetWeb's functions."""

    rtl: bool
    title: str
    other_page: str
    introduction: str
    function: str
    counterpart: str
    none_title: str
    reason: str
    comma: str


COVERAGE: Mapping[str, CoverageWording] = {
    "en": CoverageWording(
        rtl=False,
        title="What stands for each function of CivetWeb",
        other_page="[بالعربية](coverage.ar.md)",
        introduction=(
            "Who knows CivetWeb finds here where its functions are: every public function of "
            "`civetweb.h`, with the name\nthat Alusus has for it. The reference gives the names in "
            "C and Python."
        ),
        function="CivetWeb",
        counterpart="here",
        none_title="Functions that have no counterpart",
        reason="why",
        comma=", ",
    ),
    "ar": CoverageWording(
        rtl=True,
        title="ما يقوم مقام كل دالة من دوال CivetWeb",
        other_page="[In English](coverage.md)",
        introduction=(
            "من يعرف CivetWeb يجد هنا أين دواله: كل دالة عامة في `civetweb.h` والاسم الذي لها في "
            "الأسس.\nوفي المرجع الأسماء في سي وبايثون."
        ),
        function="CivetWeb",
        counterpart="هنا",
        none_title="دوال لا مقابل لها",
        reason="السبب",
        comma="، ",
    ),
}
