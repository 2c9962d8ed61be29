"""Reports what scripts of 2023 use of g4f, and what that needs, without running them."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import Provider, registry
from ..availability import is_placeholder, is_unavailable
from ..errors import single_line
from ..models import Model, find_model
from ..options import env_variables, is_configured
from .g4f_alias import find_module
from .redirects import current_target
from .script_names import ScriptNames, find_names

# The public root: what scripts import as `g4f` is looked up there.
_g4f = import_module(__name__.partition(".")[0])

LIVE, PLACEHOLDER, UNKNOWN, GUARDED = "live", "placeholder", "unknown", "guarded"

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

_SERVERS = ("api", "gui", "interference")
"""Modules that answer requests from the redirect target, or from ``OpenAI`` if that is configured."""


@dataclass
class Report:
    """What one file uses of g4f.

    Attributes:
        path: the file.
        providers: names with their state: ``"live"``, ``"placeholder"``, ``"unknown"``, or ``"guarded"``, which is
            unknown as well, but the file catches the error or tests for it.
        models: the same; a model has the state of its provider of 2023. An unknown one is sent as it is.
        names: the same for all other names. A star import is ``"Provider.*"``, and a private function of a provider
            ``"Provider.Bing._create_completion"``.
        needs: what has to be configured.
        reasons: why a name does not exist, and what to do instead.
        error: why the file could not be read, or an empty string.
        is_known: whether all providers and names exist or are guarded, and the file could be read.
    """

    path: str
    providers: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    error: str = ""
    is_known: bool = True


def scan_scripts(paths: Iterable[str]) -> Iterator[Report]:
    """Report on scripts, and on all scripts below folders that use g4f.

    Raises:
        OSError: a path cannot be read.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield _scan_source(path, path.read_bytes())
            continue
        for script in _find_scripts(path):
            report = _scan_file(script)
            if report.providers or report.names or report.error:
                yield report


def _find_scripts(folder: Path) -> Iterator[Path]:
    for script in sorted(folder.rglob("*.py")):
        is_skipped = any(part in _SKIPPED or part.startswith(".") for part in script.relative_to(folder).parts)
        if not is_skipped and script.is_file():
            yield script


def _scan_file(path: Path) -> Report:
    """Report on a file that may have nothing to do with g4f."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return Report(str(path), error=f"cannot be read: {error.strerror}", is_known=False)
    return _scan_source(path, source) if b"g4f" in source else Report(str(path))


def _scan_source(path: Path, source: bytes) -> Report:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escape sequences, for example
            tree = ast.parse(source)
        names = find_names(tree, _star_names)
    except (SyntaxError, ValueError) as error:
        return Report(str(path), error=f"cannot be read: {error}", is_known=False)
    except (RecursionError, MemoryError):  # the parser raises either
        return Report(str(path), error="cannot be read: it is nested too deeply, or too large", is_known=False)
    report = Report(str(path))
    _Classifier(names, report).add_all()
    report.needs = list(_needs(report, names))
    report.is_known = UNKNOWN not in {*report.providers.values(), *report.names.values()}
    return report


def _star_names(path: str) -> list[str]:
    """Return the names that a star import from a module binds."""
    module = _find(path, is_own_name=True)
    return list(getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")])


def _find(path: str, is_own_name: bool) -> Any:
    """Return what a dotted path names, or None if it does not exist."""
    found: Any = _g4f
    try:
        for name in filter(None, path.split(".")):
            found = _get_attribute(found, name, is_own_name)
    except (AttributeError, ImportError):
        return None
    return found


def _get_attribute(parent: Any, name: str, is_own_name: bool) -> Any:
    """Return an attribute of this package or of a module below it, as a script gets it.

    Args:
        is_own_name: whether the script imports ``g4f_legacy`` rather than ``g4f``, which has fewer modules.

    Raises:
        AttributeError: there is none.
        ImportError: it is a module that cannot be imported.
    """
    if parent is _g4f and not is_own_name:
        found = getattr(parent, name, None)
        # Not any module that is an attribute: scripts cannot import `g4f.cli`, for example.
        return find_module(f"g4f.{name}") if found is None or isinstance(found, ModuleType) else found
    try:
        return getattr(parent, name)
    except AttributeError:
        if is_own_name and hasattr(parent, "__path__"):
            with suppress(ModuleNotFoundError):
                return import_module(f"{parent.__name__}.{name}")
        raise


class _Classifier:
    """Adds the names that a script uses to its report, with their states."""

    def __init__(self, names: ScriptNames, report: Report) -> None:
        self._names = names
        self._report = report

    def add_all(self) -> None:
        names, report = self._names, self._report
        for path, is_caught in sorted(names.paths.items()):
            self._add_path(path, is_caught)
        for path in names.star_imports:
            if _find(path, names.is_own_name):
                report.names[f"{path}.*".lstrip(".")] = LIVE
        for path in names.assigned:
            if _find(path.rpartition(".")[0], names.is_own_name):
                report.names.setdefault(path, LIVE)
        for name, is_caught in sorted(names.providers.items()):
            try:
                report.providers[name] = _provider_state(registry.get(name))
            except (LookupError, ImportError, TypeError) as error:
                self._add_missing(report.providers, name, is_caught, error)
        for name in sorted(names.models):
            report.models[name] = _model_state(find_model(name), name)
        report.providers = dict(sorted(report.providers.items()))
        report.models = dict(sorted(report.models.items()))
        report.names = dict(sorted(report.names.items()))

    def _add_path(self, path: str, is_caught: bool) -> None:
        parent: Any = _g4f
        attributes = path.split(".")
        for prefix, name in zip(accumulate(attributes, "{}.{}".format), attributes):
            try:
                found = _get_attribute(parent, name, self._names.is_own_name)
            except (AttributeError, ImportError) as error:
                self._add_missing_attribute(parent, prefix, is_caught, error)
                return
            if isinstance(found, Model):
                self._report.models[name] = _model_state(found, found.name)
                return
            if _is_provider(found):
                self._report.providers[name] = _provider_state(found)
            elif _is_provider(parent):
                if name == "_create_completion":
                    self._report.names[prefix] = _provider_state(parent)
                return
            elif not isinstance(found, (ModuleType, type)):
                break  # the rest of the path is an attribute of a string, a list, and so on
            parent = found
        if not _is_provider(found):
            self._report.names[prefix] = LIVE

    def _add_missing_attribute(self, parent: Any, path: str, is_caught: bool, error: Exception) -> None:
        if _is_in_copy(path, self._names.copies, self._report.path):
            return
        is_guarded = is_caught or path in self._names.tested
        if isinstance(parent, type(Provider)):
            self._add_missing(self._report.providers, path.rpartition(".")[2], is_guarded, error)
        else:
            self._add_missing(self._report.names, path, is_guarded, error)

    def _add_missing(self, states: dict[str, str], name: str, is_guarded: bool, error: Exception) -> None:
        if is_guarded:
            states.setdefault(name, GUARDED)
            return
        states[name] = UNKNOWN
        self._report.reasons[name] = single_line(str(error))


def _is_in_copy(path: str, copies: Iterable[str], script: str) -> bool:
    """Return whether a copy of g4f in the script's own folders has a module of that name, which is not replaced."""
    for folder in Path(script).absolute().parents:
        for copy in copies:
            module = folder.joinpath(*copy.split("."))
            own = module.joinpath(*path.split("."))
            if own.is_dir() or any(file.with_suffix(".py").is_file() for file in (module, own)):
                return True
    return False


def _is_provider(value: Any) -> bool:
    return isinstance(value, ModuleType) and hasattr(value, "_create_completion")


def _provider_state(provider: Any) -> str:
    return PLACEHOLDER if is_placeholder(provider) else LIVE


def _model_state(model: Model | None, name: str) -> str:
    """Return the state of a model's provider of 2023, or "live" if a live provider lists the model."""
    if any(name in (*provider.models, *provider.models.values()) for provider in registry.all().values()):
        return LIVE
    return UNKNOWN if model is None else PLACEHOLDER


def _needs(report: Report, names: ScriptNames) -> Iterator[str]:
    is_redirected = current_target() is not None
    if not is_redirected and _needs_redirect(report, names):
        yield "a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)"
    for name, state in report.providers.items():
        if state != LIVE:
            continue
        provider = registry.get(name)
        if is_unavailable(provider, {}):
            if not is_redirected and f"Provider.{name}.url" not in names.assigned:
                yield f"{env_variables(provider, 'URL')[0]} (or a redirect)"
        elif provider.needs_auth and not is_configured(provider):
            yield " or ".join(env_variables(provider, "AUTH"))


def _needs_redirect(report: Report, names: ScriptNames) -> bool:
    if names.has_unknown_provider or PLACEHOLDER in report.providers.values():
        return True
    if names.has_indirect_provider and report.names and not report.providers:
        return True
    uses_server = any(name.partition(".")[0] in _SERVERS for name in report.names)
    return uses_server and not is_configured(registry.get("OpenAI"))
