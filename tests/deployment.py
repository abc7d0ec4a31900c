"""What stands around a server in production: nginx in front of it, systemd above it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import Program, free_port, running

# The system's own programs are not on everybody's path.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

_NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{inside}
}}
"""


def _find(command: str, package: str) -> str:
    found = shutil.which(command, path=_PATH)
    if found is None:
        pytest.skip(f"there is no {command}: install the Debian package {package}")
    return found


@contextmanager
def nginx(folder: Path, inside: str) -> Iterator[Program]:
    """Run nginx with this inside of `http`, where servers listen at the port PORT."""
    command = _find("nginx", "nginx")
    port = free_port()
    configuration = folder / "nginx.conf"
    text = inside.replace("PORT", str(port))
    configuration.write_text(_NGINX.format(folder=folder, inside=text), encoding="utf-8")
    with running([command, "-c", configuration], port, interrupt=True) as program:
        yield program


def check_unit(text: str, folder: Path) -> None:
    """Have systemd say what it does not understand of a unit, whose program is not there."""
    command = _find("systemd-analyze", "systemd")
    unit = folder / "guide.service"
    unit.write_text(re.sub(r"(?<=^ExecStart=)\S+", sys.executable, text, flags=re.M), "utf-8")
    done = subprocess.run([command, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
