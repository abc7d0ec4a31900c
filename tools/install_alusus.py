#!/usr/bin/env python3
"""Install the Alusus package where Apm, Alusus's package manager, finds it without a network.

    install_alusus.py PACKAGE_FOLDER APM_FOLDER

PACKAGE_FOLDER is `.../Alusus/Http@<version>`. It is copied to the same name under APM_FOLDER, and
`Http` beside it becomes a link to it: newer Apm looks for `Http@<version>`, older for `Http`. Both
appear there whole or not at all.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path


def install(package: Path, apm: Path) -> Path:
    """Install a package folder; return the folder that it was installed to."""
    name, at, _version = package.name.partition("@")
    if not (at and package.is_dir()):
        sys.exit(f"{package} is no package folder; `make package` makes one")
    group = apm / package.parent.name
    target, link = group / package.name, group / name
    if link.exists() and not link.is_symlink():
        sys.exit(
            f"{link} is a folder that something else installed. "
            "Remove it or move it away, then run this again"
        )
    group.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".install-", dir=group) as work:
        # A folder cannot be renamed onto another: the old one steps aside first.
        new, old, new_link = (Path(work, part) for part in ("new", "old", "link"))
        shutil.copytree(package, new, symlinks=True)
        if target.exists():
            target.rename(old)
        new.rename(target)
        new_link.symlink_to(package.name)
        new_link.replace(link)
    return target


def main(arguments: list[str]) -> None:
    """Install the package that the command line names."""
    if len(arguments) != 2:
        sys.exit("usage: install_alusus.py PACKAGE_FOLDER APM_FOLDER")
    print("Installed", install(Path(arguments[0]), Path(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
