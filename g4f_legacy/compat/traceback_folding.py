"""Prints uncaught errors of a script with tracebacks that end in the script.

The frames of this package, requests and urllib3 are left out, with those of the standard library around them. Errors
without such frames are printed as Python prints them.

Python's own hook prints both kinds, so an error is changed while it is printed. `traceback.TracebackException` would
need no change, but on Python 3.10 and 3.11 it prints no "Did you mean: 'create'?".
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import NamedTuple

_PACKAGES = ("g4f_legacy", "requests", "urllib3")

# Not `__file__` of the module, which is another path in a frozen program; there, this is the empty path, and the files
# of all bundled modules have relative paths.
_STANDARD_LIBRARY = PurePath(threading.Thread.run.__code__.co_filename).parent

_NOTICE = (
    f"g4f-legacy: Frames of {', '.join(_PACKAGES[:-1])} and {_PACKAGES[-1]} are not shown."
    " Use g4f-legacy run -v to see them."
)


def fold_thread_errors() -> None:
    """Fold the tracebacks of errors that end a thread, unless the script sets a hook of its own."""
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_thread_error


def print_uncaught_error(error: BaseException, fold: bool = True) -> None:
    """Call `sys.excepthook`, with folded tracebacks if it is Python's own."""
    if not fold or sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    with _folded(error):
        sys.excepthook(type(error), error, error.__traceback__)


def _print_thread_error(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is None or isinstance(error, SystemExit):  # which ends a thread without a message
        threading.__excepthook__(arguments)
        return
    with _folded(error):
        threading.__excepthook__(
            threading.ExceptHookArgs((arguments.exc_type, error, error.__traceback__, arguments.thread))
        )


class _Display(NamedTuple):
    """What Python prints of an error besides its message."""

    trace: TracebackType | None
    cause: BaseException | None
    context: BaseException | None
    suppress_context: bool

    @classmethod
    def of(cls, error: BaseException) -> "_Display":
        return cls(error.__traceback__, error.__cause__, error.__context__, error.__suppress_context__)

    def apply(self, error: BaseException) -> None:
        error.__traceback__ = self.trace
        error.__cause__ = self.cause  # sets `__suppress_context__`
        error.__context__ = self.context
        error.__suppress_context__ = self.suppress_context


@contextmanager
def _folded(error: BaseException) -> Iterator[None]:
    """Fold the tracebacks of an error and of those chained to it for the block, then say so.

    If that fails, the block gets the error as it is: an error of the script must not get lost.
    """
    original: list[tuple[BaseException, _Display]] = []
    try:
        folded = _fold(error)
        original = [(each, _Display.of(each)) for each, _ in folded]
        for each, display in folded:
            display.apply(each)
    except Exception:
        _restore(original)
        original = []
    try:
        yield
    finally:
        _restore(original)
    if original and sys.stderr is not None:
        with suppress(OSError, ValueError):  # as Python does if stderr cannot be written
            print(_NOTICE, file=sys.stderr, flush=True)


def _restore(original: list[tuple[BaseException, _Display]]) -> None:
    for error, display in original:
        with suppress(Exception):  # a class of the script's that refuses assignments
            display.apply(error)


def _fold(error: BaseException) -> list[tuple[BaseException, _Display]]:
    """Return what to print of an error, of those chained to it and of those in groups, where that is less than all."""
    folded = []
    seen = set()
    remaining: list[BaseException | None] = [error]
    while remaining:
        current = remaining.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        trace = _fold_trace(current.__traceback__)
        chained = _find_chained(current)
        if trace is not current.__traceback__ or chained is not _chained_error(current):
            is_cause = current.__cause__ is not None or current.__suppress_context__
            display = _Display(trace, chained, None, True) if is_cause else _Display(trace, None, chained, False)
            folded.append((current, display))
        remaining += [chained, *_group_members(current)]
    return folded


def _find_chained(error: BaseException) -> BaseException | None:
    """Return the next error to print above this one: one that has frames left, or that never had any."""
    seen = {id(error)}
    chained = _chained_error(error)
    while chained is not None and chained.__traceback__ is not None and _fold_trace(chained.__traceback__) is None:
        seen.add(id(chained))
        chained = _chained_error(chained)
        if id(chained) in seen:  # only a script can make such a cycle
            return None
    return chained


def _chained_error(error: BaseException) -> BaseException | None:
    """Return the error that Python prints above this one."""
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _group_members(error: BaseException) -> tuple[BaseException, ...]:
    if sys.version_info >= (3, 11) and isinstance(error, BaseExceptionGroup):
        return error.exceptions
    return ()


def _fold_trace(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback with the frames that are shown; the same object if these are all."""
    steps = []
    step = trace
    while step is not None:
        steps.append(step)
        step = step.tb_next
    shown = _shown_steps(steps)
    if len(shown) == len(steps):
        return trace
    folded = None
    for step in reversed(shown):
        folded = TracebackType(folded, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return folded


def _shown_steps(steps: list[TracebackType]) -> list[TracebackType]:
    shown: list[TracebackType] = []
    library: list[TracebackType] = []  # shown only if it is between frames of the script, or below them
    is_below_package = False
    for step in steps:
        if _is_package_frame(step.tb_frame):
            is_below_package = True
            library = []
        elif not _is_stdlib_frame(step.tb_frame):
            is_below_package = False
            shown += [*library, step]
            library = []
        elif not is_below_package:
            library.append(step)
    return shown + library


def _is_package_frame(frame: FrameType) -> bool:
    # By the name of the module: generated code, such as that of a dataclass, has no file.
    return _module_name(frame) in _PACKAGES


def _is_stdlib_frame(frame: FrameType) -> bool:
    if _module_name(frame) not in sys.stdlib_module_names:
        return False
    # By its file as well: a script may have a module of its own that is called secrets.py.
    filename = frame.f_code.co_filename
    return filename.startswith("<frozen ") or PurePath(filename).is_relative_to(_STANDARD_LIBRARY)


def _module_name(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
