"""Runs a script of 2023 with ``g4f`` standing for this package."""

import atexit
import os
import pkgutil
import runpy
import signal
import sys
import threading
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, TracebackType
from typing import Any, Callable, NoReturn, Optional, Sequence

import g4f_legacy  # its names are imported when they are used

from . import redirects
from .errors import ProviderNotWorkingError
from .options import is_configured

NOT_WORKING = 4
"""The exit code of a script whose first completion has nowhere to go."""


def run(target: Sequence[str]) -> NoReturn:
    """Runs a script as python would, and ends as python would.

    Args:
        target: what stands behind ``python`` on its command line: a script, a directory or zip file with a
            ``__main__``, ``-`` for stdin, or ``-m`` and a module; then the script's arguments.

    Raises:
        SystemExit: with the script's exit code; a signal ends the process in another way.
        OSError: the script cannot be read.
    """
    start = _prepare(target)
    sys.meta_path.insert(0, _Finder())
    if not any(map(is_configured, g4f_legacy.registry.all().values())):
        redirects.when_missing = _GiveUp()
    end = _End()
    atexit.register(end)  # before the script's own, so that it comes after them
    try:
        start()
    except SystemExit:
        raise
    except BaseException as error:
        trace = _without_ours(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        end.is_interrupted = isinstance(error, KeyboardInterrupt)
        raise SystemExit(NOT_WORKING if isinstance(error, ProviderNotWorkingError) else 1) from None
    raise SystemExit(0)


class _End:
    """Ends an interrupted process by the signal, as python does, so that the shell sees it."""

    is_interrupted = False

    def __call__(self) -> None:
        if self.is_interrupted:
            _flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


def _prepare(target: Sequence[str]) -> Callable[[], Any]:
    """Sets sys.argv and sys.path as python does, and gives what runs the script."""
    if target[0] == "-m":
        module, sys.argv = target[1], list(target[1:])
        sys.path[0] = os.getcwd()
        return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)
    name, sys.argv = target[0], list(target)
    if name != "-" and pkgutil.get_importer(name) is not None:  # a folder or an archive
        del sys.path[0]
        return lambda: runpy.run_path(name, run_name="__main__")
    if name == "-":
        sys.path[0] = ""
        return lambda: _execute(sys.stdin.buffer.read(), "<stdin>")
    sys.path[0] = os.path.dirname(os.path.realpath(name))
    with open(name, "rb") as script:
        source = script.read()
    return lambda: _execute(source, name if sys.version_info < (3, 9) else os.path.abspath(name))


def _execute(source: bytes, name: str) -> None:
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=__builtins__, __cached__=None, __file__=name)
    sys.modules["__main__"] = main
    exec(compile(source, name, "exec", dont_inherit=True), main.__dict__)


def _without_ours(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The part of a traceback that is the script's own."""
    ours = (__file__, runpy.__file__, "<frozen runpy>")
    while trace and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next
    return trace


class _GiveUp:
    """Ends a script, for none of its completions can come to anything. It may catch SystemExit, but only once."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._has_said = False

    def __call__(self, error: ProviderNotWorkingError) -> None:
        if os.getpid() != self._process:
            return  # a worker of the script's: its master hears of the error
        with self._lock:
            is_first, self._has_said = not self._has_said, True
            if is_first:
                print(f"g4f-legacy: {error}", file=sys.stderr)
        if is_first and threading.current_thread() is threading.main_thread():
            raise SystemExit(NOT_WORKING)
        _flush()
        os._exit(NOT_WORKING)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


class _Finder(MetaPathFinder):
    """Finds ``g4f``, what is below it, and copies of it in other packages, in this package."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Optional[ModuleSpec]:
        parts = fullname.split(".")
        if "g4f" not in parts:
            return None
        if parts[0] != "g4f" and parts[-1] == "g4f":
            own = PathFinder.find_spec(fullname, path)
            if own is not None and own.submodule_search_locations is None:
                return None  # a module of the script's own that has the name
        below = ["Provider" if name == "provider" else name for name in parts[parts.index("g4f") + 1 :]]
        module: Any = g4f_legacy if not below or below[0] in g4f_legacy.__all__ else None
        for name in below:
            module = getattr(module, name, None)
        if not isinstance(module, ModuleType):
            raise ModuleNotFoundError(f"No module named {fullname!r}: g4f_legacy has none of that name", name=fullname)
        return ModuleSpec(fullname, _Loader(module), is_package=hasattr(module, "__path__"))


class _Loader(Loader):
    """Gives a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the other one there
