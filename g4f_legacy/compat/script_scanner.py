"""Reports what scripts of 2023 use of g4f, and what that needs, without running them."""

import ast
import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import Provider, registry
from ..availability import is_placeholder, is_unavailable
from ..errors import AuthenticationRequiredError, single_line
from ..models import Model, find_model
from ..options import env_variables, is_configured, read_options
from .g4f_alias import find_module
from .redirects import current_target
from .script_names import SAMPLE_OPTIONS, ScriptNames, find_names, prefixes

# The public root: what scripts import as `g4f` is looked up there.
_g4f = import_module(__name__.partition(".")[0])

LIVE, PLACEHOLDER, UNKNOWN, GUARDED = "live", "placeholder", "unknown", "guarded"

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

_VALUES = (bool, dict, list, str, tuple)
"""The types of what modules hold whose attributes are known, such as ``g4f.version.split``."""

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
            ``"Provider.Bing._create_completion"``; ``"Provider.Bing()"`` calls what cannot be called.
        needs: what has to be configured.
        reasons: why a name does not exist or does not do what it did in 2023, and what to do instead.
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
    if path.suffix == ".ipynb" or _is_notebook(source):
        error = "is a notebook: convert it with `jupyter nbconvert --to script`"
        return Report(str(path), error=error, is_known=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escape sequences, for example
            tree = ast.parse(source, str(path))
        names = find_names(tree, _star_names)
    except (SyntaxError, ValueError) as error:
        return Report(str(path), error=f"cannot be read: {error}", is_known=False)
    except (RecursionError, MemoryError):  # the parser raises either
        return Report(str(path), error="cannot be read: it is nested too deeply, or too large", is_known=False)
    report = Report(str(path))
    _Classifier(names, report).add_all()
    report.needs = list(dict.fromkeys(_needs(report, names)))
    report.is_known = UNKNOWN not in {*report.providers.values(), *report.names.values()}
    return report


def _is_notebook(source: bytes) -> bool:
    try:
        document = json.loads(source)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        return False
    return isinstance(document, dict) and "cells" in document


def _star_names(path: str) -> list[str]:
    """Return the names that a star import from a module binds."""
    module = _find(path, imports_g4f_legacy=True)
    return list(getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")])


def _find(path: str, imports_g4f_legacy: bool) -> Any:
    """Return what a dotted path names, or None if it does not exist."""
    found: Any = _g4f
    try:
        for name in filter(None, path.split(".")):
            found = _get_attribute(found, name, imports_g4f_legacy)
    except (AttributeError, ImportError):
        return None
    return found


def _get_attribute(parent: Any, name: str, imports_g4f_legacy: bool) -> Any:
    """Return an attribute of this package or of a module below it, as a script gets it.

    Args:
        imports_g4f_legacy: whether the script imports ``g4f_legacy`` rather than ``g4f``, which has fewer modules.

    Raises:
        AttributeError: there is none.
        ImportError: it is a module that cannot be imported.
    """
    if parent is _g4f and not imports_g4f_legacy:
        found = getattr(parent, name, None)
        # Not any module that is an attribute: scripts cannot import `g4f.cli`, for example.
        return find_module(f"g4f.{name}") if found is None or isinstance(found, ModuleType) else found
    try:
        return getattr(parent, name)
    except AttributeError:
        if imports_g4f_legacy and hasattr(parent, "__path__"):
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
        for path, is_caught in names.paths.items():
            self._add_path(path, is_caught)
        for path, is_caught in names.called.items():
            self._add_call(path, is_caught)
        for name, is_caught in names.providers.items():
            self._add_provider(name, is_caught)
        for path in filter(self._find, names.star_imports):
            report.names[f"{path}.*".lstrip(".")] = LIVE
        for path in names.assigned:
            if self._find(path.rpartition(".")[0]):
                report.names.setdefault(path, LIVE)
        for name in names.models:
            report.models[name] = _model_state(find_model(name), name)
        if names.has_class_test and (report.providers or "Provider" in report.names):
            report.reasons["inspect.isclass"] = "providers are modules here: use inspect.ismodule"
        for kind in ("providers", "models", "names", "reasons"):
            setattr(report, kind, dict(sorted(getattr(report, kind).items())))

    def _find(self, path: str) -> Any:
        return _find(path, self._names.imports_g4f_legacy)

    def _add_provider(self, name: str, is_caught: bool) -> None:
        try:
            self._report.providers[name] = _provider_state(registry.get(name))
        except (LookupError, ImportError, TypeError) as error:
            self._add_missing(self._report.providers, name, is_caught, str(error))

    def _add_call(self, path: str, is_caught: bool) -> None:
        found = self._find(path)
        if found is not None and not callable(found):
            reason = f"a {'provider' if _is_provider(found) else type(found).__name__} cannot be called"
            self._add_missing(self._report.names, f"{path}()", is_caught, reason)

    def _add_path(self, path: str, is_caught: bool) -> None:
        found: Any = _g4f
        used = ""
        for prefix in prefixes(path):
            parent, name = found, prefix.rpartition(".")[2]
            try:
                found = _get_attribute(parent, name, self._names.imports_g4f_legacy)
            except (AttributeError, ImportError) as error:
                self._add_missing_attribute(parent, prefix, is_caught, error)
                return
            if isinstance(parent, _VALUES):
                break  # a method of it
            used = prefix
            if _is_provider(found):  # also one in a provider: `H2o.H2o`
                self._report.providers[name] = _provider_state(found)
            elif _is_provider(parent) or not isinstance(found, (ModuleType, type, *_VALUES)):
                break  # the rest of the path is an attribute of a function, and so on
        if isinstance(found, Model):
            self._report.models[name] = _model_state(found, found.name)
        elif name == "_create_completion":
            self._report.names[used] = _provider_state(parent)
        elif not _is_provider(parent) and not _is_provider(found):
            self._report.names[used] = LIVE

    def _add_missing_attribute(self, parent: Any, path: str, is_caught: bool, error: Exception) -> None:
        if self._names.imports_copy:
            return  # a module of the copy, perhaps
        is_guarded = is_caught or path in self._names.tested
        if isinstance(parent, type(Provider)):
            self._add_missing(self._report.providers, path.rpartition(".")[2], is_guarded, str(error))
        else:
            self._add_missing(self._report.names, path, is_guarded, str(error))

    def _add_missing(self, states: dict[str, str], name: str, is_guarded: bool, reason: str) -> None:
        if is_guarded:
            states.setdefault(name, GUARDED)
            return
        states[name] = UNKNOWN
        self._report.reasons[name] = single_line(reason)


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
    uses_server = any(name.partition(".")[0] in _SERVERS for name in report.names)
    if not names.has_completion and not uses_server:
        return
    is_redirected = "redirect" in report.names or current_target() is not None
    lacks_server = uses_server and not is_configured(registry.get("OpenAI"))
    if not is_redirected and (lacks_server or _has_unavailable_provider(report, names)):
        yield "a redirect (g4f-legacy run -p NAME, or G4F_LEGACY_REDIRECT)"
    for name in [name for name, state in report.providers.items() if state == LIVE]:
        assigned = {"base_url": SAMPLE_OPTIONS["base_url"]} if f"Provider.{name}.url" in names.assigned else {}
        for options in names.options.get(name, [{}]):
            yield from _provider_needs(registry.get(name), {**assigned, **options}, is_redirected)


def _has_unavailable_provider(report: Report, names: ScriptNames) -> bool:
    if names.has_unknown_provider or PLACEHOLDER in report.providers.values():
        return True
    return names.has_indirect_provider and bool(report.names) and not report.providers


def _provider_needs(provider: Any, options: dict[str, Any], is_redirected: bool) -> Iterator[str]:
    """Yield what has to be configured for a call with these options."""
    alternative = ""
    try:
        if is_unavailable(provider, options):
            if is_redirected:
                return
            alternative = " (or a redirect)"
            yield env_variables(provider, "URL")[0] + alternative
            options = {**options, "base_url": SAMPLE_OPTIONS["base_url"]}
        read_options(provider, options)
    except AuthenticationRequiredError as error:
        yield " or ".join(error.auth_variables) + alternative
    except (OSError, TypeError, ValueError):
        return  # an option or an environment variable is wrong; the call tells which
