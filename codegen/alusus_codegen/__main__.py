"""The process behind `alusus-codegen` and `python -m alusus_codegen`."""

import gc
import sys
from io import TextIOWrapper

from .cli import main


def run() -> int:
    """Run the command with settings that suit a process of its own."""
    # What a run makes lives to its end: looking for garbage would take a quarter of the time.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # Arabic names go anywhere, whatever the locale
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    return main()


if __name__ == "__main__":
    sys.exit(run())
