"""How long `import alusus_http` takes; 80 ms to reach.

It is the processor's time, and the least of several runs: the import waits for nothing, and what
else the machine does only adds to it. The bytecode is there, as it is after an installation: the
first run writes it where the environment forbids it, too.
"""

from __future__ import annotations

import os
import subprocess
import sys

RUNS = 20
PROGRAM = """
import time
begin = time.process_time()
import alusus_http
print(time.process_time() - begin)
"""


def main() -> None:
    """Measure, and print the milliseconds."""
    command = [sys.executable, "-c", PROGRAM]
    environment = os.environ.copy()
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = [
        float(subprocess.check_output(command, env=environment, text=True)) for _ in range(RUNS)
    ]
    print(f"import alusus_http: {min(times) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
