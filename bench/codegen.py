"""How long the generator takes: the spec, and specs of 1,000, 3,000 and 10,000 more declarations.

Parsing is measured on its own, on programs of nothing but declarations. For the rest the command
runs as a user runs it, its start included, and writes every output into an empty folder. The large
specs are the project's own, lengthened by functions that are all alike.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alusus_codegen.parser import parse_source
from alusus_codegen.source import Source

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).parent / "alusus-codegen"
ENGLISH, ARABIC = "spec/http.md", "spec/http.ar.md"

ENGLISH_FUNCTION = """
### sendNumber{0}

```alusus
@expname[ah_send_number_{0}]
func sendNumber{0}(connection: ptr[Connection], number: Int): Int;
```

Sends number {0}.

- `connection`: where to.
- `number`: what.
- Returns: the bytes written; -1 when the call failed.
"""
ARABIC_FUNCTION = """
### أرسل_رقم{0} (sendNumber{0})

```alusus
@ours عرف أرسل_رقم{0}: لقب sendNumber{0}؛
```

ترسل الرقم {0}.

- `اتصال` (`connection`): إلى أين.
- `رقم` (`number`): ماذا.
- يعيد: عدد البايتات المكتوبة، و-1 عند الفشل.
"""


def seconds(*arguments: str | Path) -> float:
    """Run the generator; return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(functions: int) -> tuple[float, float]:
    """Return the seconds for reading the spec with so many more functions, and for generating."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "spec").mkdir()
        shutil.copy(ROOT / "VERSION", root)
        for name, function in ((ENGLISH, ENGLISH_FUNCTION), (ARABIC, ARABIC_FUNCTION)):
            more = "".join(function.format(number) for number in range(functions))
            (root / name).write_text((ROOT / name).read_text(encoding="utf-8") + more)
        return seconds("parse", "--json", root / ENGLISH), seconds("generate", "--root", root)


def measure_parsing(functions: int) -> float:
    """Return the seconds to lex and parse a program of so many declarations."""
    declaration = ENGLISH_FUNCTION.partition("```alusus\n")[2].partition("```")[0]
    program = "".join(declaration.format(number) for number in range(functions))
    start = time.perf_counter()
    parse_source(Source("program.alusus", program))
    return time.perf_counter() - start


def main() -> None:
    """Print a line for each size."""
    for count in (1_000, 10_000):
        seconds = min(measure_parsing(count) for _ in range(3))
        print(f"{f'parse {count:,}':>14}  {seconds:6.3f} s  {seconds / count * 1e6:6.0f} µs each")
    print(f"{'':10} {'parse':>10} {'generate':>10}")
    for count in (0, 1_000, 3_000, 10_000):
        parsing, generating = measure(count)
        name = f"+{count:,}" if count else "the spec"
        print(f"{name:>10} {parsing:8.2f} s {generating:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
