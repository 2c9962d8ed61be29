"""Reads scripts of 2023, without running them, and tells what of g4f they use and what that needs."""

import ast
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set

import g4f_legacy  # its names are imported when they are used

from . import models, options, redirects

LIVE, STAND_IN, UNKNOWN = "live", "stand-in", "unknown"

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}


@dataclass
class Report:
    """What one file uses: `providers`, `models` and `names` of g4f, with a state for each: live, stand-in or unknown.
    The state of a model is that of the provider that it was asked from in 2023.

    Attributes:
        needs: what would have to be configured.
        error: why the file could not be read; empty where it could.
    """

    path: str
    providers: Dict[str, str] = field(default_factory=dict)
    models: Dict[str, str] = field(default_factory=dict)
    names: Dict[str, str] = field(default_factory=dict)
    needs: List[str] = field(default_factory=list)
    error: str = ""

    @property
    def is_known(self) -> bool:
        """Whether everything that it uses is there."""
        used = {*self.providers.values(), *self.models.values(), *self.names.values()}
        return not self.error and UNKNOWN not in used


def scan(paths: Iterable[str]) -> Iterator[Report]:
    """Reads scripts, and all scripts below folders. Those that use nothing of g4f are left out, but for those that
    are named.

    Raises:
        OSError: a path cannot be read.
    """
    for path in map(Path, paths):
        if path.is_dir():
            for file in sorted(path.rglob("*.py")):
                if not any(part in _SKIPPED or part.startswith(".") for part in file.relative_to(path).parts):
                    report = _read(file)
                    if report.names or report.providers or report.error and b"g4f" in file.read_bytes():
                        yield report
        else:
            yield _read(path)


def _read(path: Path) -> Report:
    report = Report(str(path))
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        report.error = f"it cannot be read: {error}"
        return report
    reader = _Reader()
    while True:  # until there are no more names for what g4f has: they may be used above the place where they are made
        known = len(reader.aliases)
        reader.visit(tree)
        if len(reader.aliases) == known:
            break
    for used in sorted(reader.used):
        _judge(used, report)
    for name in sorted(reader.providers):
        report.providers[name] = _state(getattr(g4f_legacy.Provider, name, None))
    for name in sorted(reader.models):
        report.models[name] = _state_of_model(models.find(name), name)
    report.needs = list(_needs(report, reader.chooses_later))
    return report


class _Reader(ast.NodeVisitor):
    """Collects what is used of g4f, as dotted paths below it."""

    def __init__(self) -> None:
        self.used: Set[str] = set()
        self.providers: Set[str] = set()
        self.models: Set[str] = set()
        self.chooses_later = False
        self.aliases: Dict[str, str] = {}  # local name: dotted path below g4f

    def visit_Import(self, node: ast.Import) -> None:
        for imported in node.names:
            below = _below(imported.name)
            if below is not None:
                self.used.update([below] if below else [])
                if imported.asname:
                    self.aliases[imported.asname] = below
                else:
                    self.aliases[imported.name[: len(imported.name) - len(below)].rstrip(".")] = ""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        below = _below(node.module or "")
        for imported in node.names:
            if below is None:
                path = _below(f"{node.module or ''}.{imported.name}".strip("."))
                if path is not None:
                    self.aliases[imported.asname or imported.name] = path
                continue
            names = [imported.name] if imported.name != "*" else getattr(_module(below), "__all__", [])
            for name in names:
                path = f"{below}.{name}".strip(".")
                self.aliases[imported.asname or name] = path
                if imported.name != "*":
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
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            for name, place in (("model", 0), ("provider", 2)):
                if place < len(node.args):
                    given[name] = node.args[place]
            self.models.update(_text(given.get("model")))
            self.providers.update(_text(given.get("provider")))
            provider = given.get("provider")
            is_named = bool(_text(provider)) or provider is not None and bool(self._path(provider))
            if not is_named and None not in given:  # no provider, or one that is only known when the script runs
                self.chooses_later = True
        self.generic_visit(node)

    def _path(self, node: ast.AST) -> Optional[str]:
        """The dotted path below g4f that an expression is; None where it is something else."""
        written = _dotted(node)
        if written in self.aliases:
            return self.aliases[written]
        if isinstance(node, ast.Attribute):
            before = self._path(node.value)
            return None if before is None else f"{before}.{node.attr}".strip(".")
        return None


def _dotted(node: ast.AST) -> str:
    """A name, or a chain of attributes of one, as it is written; empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def _below(module: str) -> Optional[str]:
    """What stands behind ``g4f`` in a module's name; None where it is not in it."""
    parts = module.replace("g4f_legacy", "g4f").split(".")
    return ".".join(parts[parts.index("g4f") + 1 :]) if "g4f" in parts else None


def _module(below: str) -> Any:
    found: Any = g4f_legacy
    for name in filter(None, below.split(".")):
        found = getattr(found, name, None)
    return found


def _text(node: Optional[ast.AST]) -> List[str]:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else []


def _judge(used: str, report: Report) -> None:
    """Finds out what a dotted path is, and writes it into the report."""
    found: Any = g4f_legacy
    path: List[str] = []
    for name in used.split("."):
        path.append(name)
        before, found = found, getattr(found, "Provider" if name == "provider" else name, None)
        if found is None and not hasattr(before, name):
            kind = report.providers if before is g4f_legacy.Provider else report.names
            kind[name if kind is report.providers else ".".join(path)] = UNKNOWN
            return
        if isinstance(found, models.Model):
            report.models[name] = _state_of_model(found, found.name)
            return
        if isinstance(found, ModuleType) and hasattr(found, "_create_completion"):
            report.providers[name] = _state(found)
            return
        if not isinstance(found, (ModuleType, type)):
            break  # what is below belongs to a text, a list, and so on
    report.names[".".join(path)] = LIVE


def _state(provider: Any) -> str:
    if provider is None:
        return UNKNOWN
    return STAND_IN if redirects.is_stand_in(provider) else LIVE


def _state_of_model(model: Optional[models.Model], name: str) -> str:
    """That of its provider of 2023; live, too, where a live provider lists it."""
    if any(name in (*provider.models, *provider.models.values()) for provider in g4f_legacy.registry.all().values()):
        return LIVE
    return UNKNOWN if model is None else STAND_IN


def _needs(report: Report, chooses_later: bool) -> Iterator[str]:
    is_redirected = redirects.current() is not None
    if not is_redirected and (chooses_later or STAND_IN in report.providers.values()):
        yield "a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)"
    for name, state in report.providers.items():
        if state == LIVE:
            provider = g4f_legacy.registry.get(name)
            if redirects.is_gone(provider, {}):
                if not is_redirected:
                    yield f"{options.variables(provider, 'URL')[0]} (or a redirect)"
            elif provider.needs_auth and not options.is_configured(provider):
                yield " or ".join(options.variables(provider, "AUTH"))
