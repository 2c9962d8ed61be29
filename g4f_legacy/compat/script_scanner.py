"""Reports what scripts of 2023 use of g4f, and what that needs, without running them."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import Provider, registry
from ..availability import is_placeholder, is_unavailable
from ..models import Model, find_model
from ..options import env_variables, is_configured
from .redirects import current_target

# The public root: what scripts import as `g4f` is looked up there.
_g4f = import_module(__name__.partition(".")[0])

LIVE, PLACEHOLDER, UNKNOWN = "live", "placeholder", "unknown"

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}


@dataclass
class Report:
    """What one file uses of g4f.

    Attributes:
        path: the file.
        providers: names with their state: ``"live"``, ``"placeholder"`` or ``"unknown"``.
        models: the same; a model has the state of its provider of 2023.
        names: the same for all other names.
        needs: what has to be configured.
        error: why the file could not be read, or an empty string.
    """

    path: str
    providers: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def is_known(self) -> bool:
        """Whether everything that the file uses exists."""
        used = {*self.providers.values(), *self.models.values(), *self.names.values()}
        return not self.error and UNKNOWN not in used


def scan_scripts(paths: Iterable[str]) -> Iterator[Report]:
    """Report on scripts, and on all scripts below folders that use g4f.

    Raises:
        OSError: a path cannot be read.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield _read_script(path)
            continue
        for script in _find_scripts(path):
            report = _read_script(script)
            if report.names or report.providers or report.error and b"g4f" in script.read_bytes():
                yield report


def _find_scripts(folder: Path) -> Iterator[Path]:
    for script in sorted(folder.rglob("*.py")):
        if not any(part in _SKIPPED or part.startswith(".") for part in script.relative_to(folder).parts):
            yield script


def _read_script(path: Path) -> Report:
    report = Report(str(path))
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        report.error = f"cannot be read: {error}"
        return report
    collector = _NameCollector()
    alias_count = -1
    while len(collector.aliases) > alias_count:  # an alias may be used above the line that defines it
        alias_count = len(collector.aliases)
        collector.visit(tree)
    for used in sorted(collector.used):
        _classify(used, report)
    for name in sorted(collector.providers):
        report.providers[name] = _provider_state(getattr(Provider, name, None))
    for name in sorted(collector.models):
        report.models[name] = _model_state(find_model(name), name)
    report.needs = list(_needs(report, collector.has_dynamic_provider))
    return report


class _NameCollector(ast.NodeVisitor):
    """Collects the names of g4f that a script uses, as dotted paths without the ``g4f``."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.providers: set[str] = set()
        self.models: set[str] = set()
        self.has_dynamic_provider = False
        self.aliases: dict[str, str] = {}  # local name: dotted path

    def visit_Import(self, node: ast.Import) -> None:
        for imported in node.names:
            path = _path_in_g4f(imported.name)
            if path is None:
                continue
            if path:
                self.used.add(path)
            if imported.asname:
                self.aliases[imported.asname] = path
            else:
                self.aliases[imported.name.removesuffix(f".{path}")] = ""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        parent = _path_in_g4f(module)
        for imported in node.names:
            if parent is None:  # perhaps `from vendored import g4f`
                path = _path_in_g4f(f"{module}.{imported.name}".strip("."))
                if path is not None:
                    self.aliases[imported.asname or imported.name] = path
            elif imported.name == "*":
                for name in getattr(_find_module(parent), "__all__", []):
                    self.aliases[name] = f"{parent}.{name}".strip(".")
            else:
                path = f"{parent}.{imported.name}".strip(".")
                self.aliases[imported.asname or imported.name] = path
                self.used.add(path)

    def visit_Assign(self, node: ast.Assign) -> None:
        path = self._path(node.value)
        if path is not None and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.aliases.setdefault(node.targets[0].id, path)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is None:
            self.generic_visit(node)
        elif path:
            self.used.add(path)

    def visit_Name(self, node: ast.Name) -> None:
        if self.aliases.get(node.id):
            self.used.add(self.aliases[node.id])

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path(node.func) or ""
        if path.endswith(("Completion.create", "Completion.create_async")):
            self._add_completion(node)
        self.generic_visit(node)

    def _add_completion(self, node: ast.Call) -> None:
        arguments = {keyword.arg: keyword.value for keyword in node.keywords}
        for name, position in (("model", 0), ("provider", 2)):
            if position < len(node.args):
                arguments[name] = node.args[position]
        provider = arguments.get("provider")
        self.models.update(_string(arguments.get("model")))
        self.providers.update(_string(provider))
        is_named = bool(_string(provider)) or provider is not None and bool(self._path(provider))
        has_unpacked_arguments = None in arguments  # `**kwargs` may hold the provider
        if not is_named and not has_unpacked_arguments:
            self.has_dynamic_provider = True

    def _path(self, node: ast.AST) -> str | None:
        """Return the dotted path in g4f that an expression names, or None."""
        source = _dotted_name(node)
        if source in self.aliases:
            return self.aliases[source]
        if isinstance(node, ast.Attribute):
            parent = self._path(node.value)
            return None if parent is None else f"{parent}.{node.attr}".strip(".")
        return None


def _dotted_name(node: ast.AST) -> str:
    """Return a name such as ``g4f`` or ``g4f.Provider.Bing`` as it is written; an empty string for anything else."""
    if isinstance(node, ast.Attribute):
        parent = _dotted_name(node.value)
        return f"{parent}.{node.attr}" if parent else ""
    return node.id if isinstance(node, ast.Name) else ""


def _path_in_g4f(module: str) -> str | None:
    """Return what follows ``g4f`` in a module's name, or None if the name does not contain it."""
    parts = module.replace("g4f_legacy", "g4f").split(".")
    return ".".join(parts[parts.index("g4f") + 1 :]) if "g4f" in parts else None


def _find_module(path: str) -> Any:
    found: Any = _g4f
    for name in filter(None, path.split(".")):
        found = getattr(found, name, None)
    return found


def _string(node: ast.AST | None) -> list[str]:
    """Return the value of a string literal, in a list that is empty for anything else."""
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else []


def _classify(used: str, report: Report) -> None:
    """Add what a dotted path names to the report."""
    found: Any = _g4f
    path: list[str] = []
    for name in used.split("."):
        path.append(name)
        parent, found = found, getattr(found, "Provider" if name == "provider" else name, None)
        if found is None and not hasattr(parent, name):
            if parent is Provider:
                report.providers[name] = UNKNOWN
            else:
                report.names[".".join(path)] = UNKNOWN
            return
        if isinstance(found, Model):
            report.models[name] = _model_state(found, found.name)
            return
        if isinstance(found, ModuleType) and hasattr(found, "_create_completion"):
            report.providers[name] = _provider_state(found)
            return
        if not isinstance(found, (ModuleType, type)):
            break  # the rest of the path is an attribute of a string, a list, and so on
    report.names[".".join(path)] = LIVE


def _provider_state(provider: Any) -> str:
    if provider is None:
        return UNKNOWN
    return PLACEHOLDER if is_placeholder(provider) else LIVE


def _model_state(model: Model | None, name: str) -> str:
    """Return the state of a model's provider of 2023, or "live" if a live provider lists the model."""
    if any(name in (*provider.models, *provider.models.values()) for provider in registry.all().values()):
        return LIVE
    return UNKNOWN if model is None else PLACEHOLDER


def _needs(report: Report, has_dynamic_provider: bool) -> Iterator[str]:
    is_redirected = current_target() is not None
    if not is_redirected and (has_dynamic_provider or PLACEHOLDER in report.providers.values()):
        yield "a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)"
    for name, state in report.providers.items():
        if state == LIVE:
            provider = registry.get(name)
            if is_unavailable(provider, {}):
                if not is_redirected:
                    yield f"{env_variables(provider, 'URL')[0]} (or a redirect)"
            elif provider.needs_auth and not is_configured(provider):
                yield " or ".join(env_variables(provider, "AUTH"))
