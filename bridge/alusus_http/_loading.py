"""Finding the application that a command line names."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from . import _callables

INTERFACES = ("asgi", "wsgi")

importing: str | None = None  # the module that is being imported for the command line
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
    if not all(name.split(".")) or "/" in name or Path(folder, name).is_file():
        raise LoadError(
            f'"{name}" is no name of a module; say main:app for the app in main.py, and name '
            "another folder with --app-dir"
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _import(name, folder)
    found = _attribute(module, path, name)
    return _made(found, target) if factory else found


def _made(factory: Any, target: str) -> Any:
    """What a factory makes."""
    try:
        _callables.check(factory, target, (), instead="return the application")
    except TypeError as error:
        raise LoadError(f"{error}; leave out --factory if it is the application itself") from None
    try:
        made = factory()
    except Exception as error:
        raise LoadError(f"the factory {target} failed:\n{_told(error)}") from error
    if inspect.iscoroutine(made):
        made.close()
        raise LoadError(f"the factory {target} is async: give one that is not")
    return made


def refuse_to_serve() -> None:
    """Called by who begins to serve: a module that the command imports is not to.

    Raises:
        LoadError: The import would never end.
    """
    if importing is not None:
        raise LoadError(
            f"the module {importing} serves while it is imported, and the command could not; put "
            'that below \'if __name__ == "__main__":\', which is true for "python" alone'
        )


def _import(name: str, folder: Path) -> Any:
    global importing
    importing = name
    try:
        return importlib.import_module(name)
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(f"importing {name} failed:\n{_told(error)}") from error
        raise LoadError(
            f'there is no module "{error.name}" in {folder} or where Python looks otherwise; '
            "run the command in the folder of the module, or name the folder with --app-dir"
        ) from error
    except Exception as error:
        raise LoadError(f"importing {name} failed:\n{_told(error)}") from error
    finally:
        importing = None


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
    """A failure with its place in the program, without the way there through this package."""
    place = error.__traceback__
    while place is not None and _is_on_the_way(place.tb_frame.f_code.co_filename):
        place = place.tb_next
    return "".join(traceback.format_exception(error.with_traceback(place))).rstrip()


def _is_on_the_way(file: str) -> bool:
    return file in (__file__, importlib.__file__) or file.startswith("<frozen importlib")


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
    if len(required) == 3:
        return "asgi"
    try:
        signature.bind("environ", "start_response")
    except TypeError as error:
        raise LoadError(
            f"{application!r} is no application: it takes neither the arguments of ASGI nor those "
            "of WSGI; if it makes the application, give --factory"
        ) from error
    return "wsgi"
