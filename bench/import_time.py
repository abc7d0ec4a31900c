"""How long `import alusus_http` takes; 80 ms to reach.

It is the processor's time, and the least of several runs: the import waits for nothing, and what
else the machine does only adds to it.
"""

from __future__ import annotations

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
    times = [float(subprocess.check_output(command, text=True)) for _ in range(RUNS)]
    print(f"import alusus_http: {min(times) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
