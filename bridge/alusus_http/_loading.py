"""Finding the application that a command line names."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

INTERFACES = ("asgi", "wsgi")
_USUAL = ("app", "application", "server")


class LoadError(Exception):
    """There is no such application; the message says what was looked for, and what to do."""


def load(target: str, folder: Path, *, factory: bool) -> Any:
    """The object that `module:attribute` names, or what it returns when it is a factory.

    Args:
        target: The names. Without an attribute, `app`, `application` and `server` are tried.
        folder: Where modules are looked for first.
        factory: The attribute is a function that makes the application.

    Raises:
        LoadError: Something that `target` names is not there, or fails.
    """
    name, _, path = target.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _import(name, folder)
    found = _attribute(module, path, name)
    if not factory:
        return found
    try:
        return found()
    except Exception as error:
        raise LoadError(f"the factory {target} failed:\n{_told(error)}") from error


def _import(name: str, folder: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(f"importing {name} failed:\n{_told(error)}") from error
        raise LoadError(
            f'there is no module "{error.name}" in {folder} or where Python looks otherwise; '
            "run the command in the folder of the module, or name the folder with --app-dir"
        ) from error
    except Exception as error:
        raise LoadError(f"importing {name} failed:\n{_told(error)}") from error


def _attribute(module: Any, path: str, name: str) -> Any:
    if not path:
        for usual in _USUAL:
            if hasattr(module, usual):
                return getattr(module, usual)
        raise LoadError(
            f'the module {name} has no "app", "application" or "server"; name the attribute'
        )
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise LoadError(f'the module {name} has no "{path}"; check the name behind the colon')
        found = getattr(found, part)
    return found


def _told(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def interface(application: Any) -> str:
    """Whether an application is one of ASGI or of WSGI.

    Raises:
        LoadError: It is neither.
    """
    if not callable(application):
        raise LoadError(f"{application!r} is no application: it cannot be called")
    for candidate in (application, type(application).__call__):
        if inspect.iscoroutinefunction(candidate):
            return "asgi"
    # Decorators and frameworks hide a coroutine function; the number of arguments does not.
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return "wsgi"
    required = [p for p in signature.parameters.values() if p.default is p.empty]
    return "asgi" if len(required) == 3 else "wsgi"
