"""Runs a script of 2023 as ``python`` would, with ``g4f`` standing for this package."""

import atexit
import os
import pkgutil
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from .. import registry
from ..concurrency.termination import Terminated, end_by_signal, end_later_by_signal
from ..errors import ProviderNotWorkingError
from ..options import is_configured
from . import g4f_alias, redirects
from .traceback_folding import fold_thread_errors, print_uncaught_error

NOT_WORKING = 4
"""The exit code of a script that ended because a call had no redirect target."""


def run_script(command: Sequence[str], fold_tracebacks: bool = True, suggest: Callable[[], str] = str) -> NoReturn:
    """Run a script as ``python`` would, and exit as ``python`` would.

    Args:
        command: what follows ``python`` on a command line: a script, a directory or zip file with a ``__main__``, ``-``
            for stdin, or ``-m`` and a module; then the script's arguments.
        fold_tracebacks: whether the tracebacks of uncaught errors end in the script: see `traceback_folding`.
        suggest: returns what to say after the error of a call that has no redirect target.

    Raises:
        SystemExit: with the script's exit code; a signal ends the process in another way.
        OSError: the script cannot be read.
    """
    start = _prepare(command)
    g4f_alias.install()
    if not any(map(is_configured, registry.all().values())):
        redirects.on_missing_target = _ExitOnMissingTarget(suggest)
    ending = _EndBySignalAtExit()
    atexit.register(ending)  # registered before the script's own functions, so that it is called after them
    if fold_tracebacks:
        fold_thread_errors()
    try:
        start()
    except SystemExit:
        raise
    except Terminated as error:
        ending.signal_number = error.signal_number
        end_later_by_signal(error.signal_number)
        raise SystemExit(128 + error.signal_number) from None
    except BaseException as error:
        trace = _trim_traceback(error.__traceback__)
        print_uncaught_error(error.with_traceback(trace), fold_tracebacks)
        if isinstance(error, KeyboardInterrupt):
            ending.signal_number = signal.SIGINT
        raise SystemExit(NOT_WORKING if isinstance(error, ProviderNotWorkingError) else 1) from None
    raise SystemExit(0)


class _EndBySignalAtExit:
    """Ends a process that a signal has ended by that signal, as Python does, so that the shell sees it."""

    signal_number = 0

    def __call__(self) -> None:
        if self.signal_number:
            _flush()
            end_by_signal(self.signal_number)


def _prepare(command: Sequence[str]) -> Callable[[], Any]:
    """Set sys.argv and sys.path as Python does, and return the function that runs the script."""
    name = command[0]
    if os.path.isfile(sys.path[0]):  # an archive that has this package in it, with modules that are imported later
        sys.path.insert(0, "")
    if name == "-m":
        module, sys.argv = command[1], list(command[1:])
        sys.path[0] = os.getcwd()
        return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.argv = list(command)
    if name == "-":
        sys.path[0] = ""
        return lambda: _execute(sys.stdin.buffer.read(), "<stdin>")
    if pkgutil.get_importer(name) is not None:  # a directory or a zip file
        del sys.path[0]
        return lambda: runpy.run_path(name, run_name="__main__")
    sys.path[0] = os.path.dirname(os.path.realpath(name))
    with open(name, "rb") as script:
        source = script.read()
    return lambda: _execute(source, os.path.abspath(name))


def _execute(source: bytes, filename: str) -> None:
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=__builtins__, __cached__=None, __file__=filename)
    sys.modules["__main__"] = main
    exec(compile(source, filename, "exec", dont_inherit=True), main.__dict__)


def _trim_traceback(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that belongs to the script."""
    # Not the `__file__` of their modules, which is another one in a frozen program, or if a cache is in an archive.
    runners = (run_script.__code__.co_filename, runpy.run_path.__code__.co_filename)
    while trace and trace.tb_frame.f_code.co_filename in runners:
        trace = trace.tb_next
    return trace


class _ExitOnMissingTarget:
    """Ends a script when a call has no redirect target. The script can catch the SystemExit, but only once."""

    def __init__(self, suggest: Callable[[], str]) -> None:
        self._suggest = suggest
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._was_reported = False

    def __call__(self, error: ProviderNotWorkingError) -> None:
        if os.getpid() != self._process:
            return  # in a worker process, the error reaches its parent
        with self._lock:
            is_first = not self._was_reported
            self._was_reported = True
            if is_first:
                print(f"g4f-legacy: {error}\n{self._suggest()}".rstrip(), file=sys.stderr, flush=True)
        if is_first and threading.current_thread() is threading.main_thread():
            _silence_event_loop()
            raise SystemExit(NOT_WORKING)
        _flush()
        os._exit(NOT_WORKING)


def _silence_event_loop() -> None:
    """Let a running event loop end without a word about the tasks that are left."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):  # none is running
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a script may have replaced it, and its reader may be gone
            stream.flush()
