"""Finds the names of g4f that a script uses, as dotted paths without the ``g4f``, in its syntax tree."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from .script_scopes import Scope, dict_items, function_name, path_in_g4f, split_attributes, string_value

SAMPLE_OPTIONS = {"base_url": "http://127.0.0.1", "auth": "x", "access_token": "x", "cookies": {"x": "x"}}
"""A valid value for each option that gives a server or credentials."""

_COMPLETIONS = ("Completion.create", "Completion.create_async")  # of `ChatCompletion` as well
_PARAMETERS = ("model", "messages", "provider", "stream", "auth")
_DIRECT_CALLS = ("_create_completion", "create_completion", "create_async", "create_async_generator")

_ALL_ERRORS = {"", "BaseException", "Exception"}
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}


@dataclass
class ScriptNames:
    """What a script uses. Of the dicts, the values tell whether it catches the error if that is not possible."""

    paths: dict[str, bool] = field(default_factory=dict)  # that it reads
    called: dict[str, bool] = field(default_factory=dict)  # the same, of what it calls
    tested: set[str] = field(default_factory=set)  # paths that it uses only if they exist
    assigned: set[str] = field(default_factory=set)  # paths that it assigns itself
    star_imports: set[str] = field(default_factory=set)  # paths of modules
    providers: dict[str, bool] = field(default_factory=dict)  # that are given as strings
    models: set[str] = field(default_factory=set)  # that are given as strings
    # For each provider, what its calls give of `SAMPLE_OPTIONS`: values or, where only a run can tell, the samples.
    options: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    has_completion: bool = False
    has_unknown_provider: bool = False  # a completion names no provider, or one that only a run can tell
    has_indirect_provider: bool = False  # one may be named elsewhere, as for `create(**kwargs)`
    has_class_test: bool = False  # `inspect.isclass`
    imports_copy: bool = False  # such as `lib.g4f`, which may have modules of its own
    imports_g4f_legacy: bool = False  # by that name


def find_names(tree: ast.Module, list_star_names: Callable[[str], Iterable[str]]) -> ScriptNames:
    """Return what a script uses.

    What it assigns is known in all of it, because a function may be called before or after that.

    Args:
        tree: the script.
        list_star_names: returns the names that a star import from a module of g4f binds, given its path.
    """
    module = Scope()
    uses = list(_walk(tree, module))
    finder = _NameFinder(module, list_star_names)
    for add in (finder.add_import, finder.add_assignment, finder.add_use):
        for use in uses:
            add(use)
    return finder.names


class _Use(NamedTuple):
    """A node, and where it is."""

    node: ast.AST
    scope: Scope
    caught: frozenset[str]  # the errors that the statements around it catch; an empty string is all of them


_USES = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Name, ast.Call)


def _walk(tree: ast.Module, module: Scope) -> Iterator[_Use]:
    """Yield the nodes that may use g4f, and fill the scopes."""
    remaining = [_Use(tree, module, frozenset())]
    while remaining:  # not recursive: a long chain of `elif` or `+` is deeper than Python's stack
        use = remaining.pop()
        use.scope.bind_names(use.node)
        if isinstance(use.node, _USES):
            yield use
        remaining += reversed(list(_children(use)))


def _children(use: _Use) -> Iterator[_Use]:
    node, scope, caught = use
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            # Called elsewhere: what catches errors here does not do so there.
            yield from _enter(ast.iter_child_nodes(node), Scope(scope), frozenset())
        case ast.ClassDef():
            yield from _enter(ast.iter_child_nodes(node), Scope(scope, is_class=True), caught)
        case ast.Try():
            yield from _enter(node.body, scope, caught | _caught_errors(node))
            yield from _enter([*node.handlers, *node.orelse, *node.finalbody], scope, caught)
        case ast.Attribute():
            yield _Use(split_attributes(node)[0], scope, caught)
        case _:
            yield from _enter(ast.iter_child_nodes(node), scope, caught)


def _enter(nodes: Iterable[ast.AST], scope: Scope, caught: frozenset[str]) -> Iterator[_Use]:
    return (_Use(node, scope, caught) for node in nodes)


def _caught_errors(node: ast.Try) -> set[str]:
    errors: set[str] = set()
    for handler in node.handlers:
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        errors.update(str(getattr(error, "attr", getattr(error, "id", ""))) for error in types)
    return errors


class _NameFinder:
    def __init__(self, module: Scope, list_star_names: Callable[[str], Iterable[str]]) -> None:
        self.names = ScriptNames()
        self._module = module
        self._list_star_names = list_star_names

    def add_import(self, use: _Use) -> None:
        match use.node:
            case ast.Import(names=names):
                for imported in names:
                    self._import(imported.name, "", use)
            case ast.ImportFrom(names=names, module=module, level=level):
                for imported in names:
                    self._import(module or "", imported.name, use, is_relative=level > 0)

    def _import(self, module: str, name: str, use: _Use, is_relative: bool = False) -> None:
        parent = path_in_g4f(module)
        fullname = f"{module}.{name}".strip(".")
        path = path_in_g4f(fullname)
        if path is None:
            return
        self.names.imports_g4f_legacy |= fullname.startswith("g4f_legacy")
        self.names.imports_copy |= is_relative or not fullname.startswith("g4f")
        if name == "*" and parent is not None:
            path = parent
            self.names.star_imports.add(parent)
            for star_name in self._list_star_names(parent):
                self._module.star_names[star_name] = f"{parent}.{star_name}".strip(".")
        if parent is not None and path and _add_name(self.names.paths, path, use, _IMPORT_ERRORS):
            self._add_test(path)

    def add_assignment(self, use: _Use) -> None:
        """Add the attribute of g4f that a node assigns."""
        if isinstance(use.node, ast.Attribute) and isinstance(use.node.ctx, ast.Store):
            path = use.scope.path_of(use.node)
            self.names.assigned.update(filter(None, [path]))

    def add_use(self, use: _Use) -> None:
        match use.node:
            case ast.Attribute(attr="isclass") | ast.Name(id="isclass"):
                self.names.has_class_test = True
            case ast.Attribute(ctx=ast.Store()):
                self._read_path_of(use.node.value, use)
            case ast.Attribute() | ast.Name(ctx=ast.Load()):
                self._read_path_of(use.node, use)
            case ast.Call():
                self._add_call(use.node, use)

    def _read_path_of(self, node: ast.AST, use: _Use) -> None:
        path = use.scope.path_of(node)
        if path and not self._is_assigned(path):
            _add_name(self.names.paths, path, use, {"AttributeError"})
            if "AttributeError" in use.caught:
                self._add_test(path)

    def _is_assigned(self, path: str) -> bool:
        return not self.names.assigned.isdisjoint(prefixes(path))

    def _add_test(self, path: str) -> None:
        self.names.tested.update(prefixes(path))

    def _add_call(self, node: ast.Call, use: _Use) -> None:
        self._add_lookup(node, use)
        path = use.scope.path_of(node.func)
        if path and not self._is_assigned(path):
            _add_name(self.names.called, path, use, {"TypeError"})
        if path == "redirect":
            self._add_completion(_read_arguments(node, use.scope, ("provider", "model")), use)
        elif path and _is_completion(node.func, use.scope):
            self.names.has_completion = True
            if path.endswith(_COMPLETIONS):
                self._add_completion(_read_arguments(node, use.scope, _PARAMETERS), use)
            else:
                self._add_options(path.split(".")[-2], _read_arguments(node, use.scope, ()), use.scope)
        passed = [*node.args, *(keyword.value for keyword in node.keywords)]  # to `threading.Thread`, for example
        if any(_is_completion(value, use.scope) for value in (passed if path else [node.func, *passed])):
            self.names.has_completion = self.names.has_indirect_provider = True

    def _add_lookup(self, node: ast.Call, use: _Use) -> None:
        """Add the attribute that a call of `getattr` or `hasattr` names."""
        match function_name(node), node.args:
            case "hasattr", [owner, ast.Constant(value=str(name))]:
                self._add_test(use.scope.path_of(ast.Attribute(owner, name, ast.Load())) or "")
            case "getattr", [_, ast.Constant(value=str()), _]:
                self._add_test(use.scope.path_of(node) or "")
            case "getattr", [_, ast.Constant(value=str())]:
                self._read_path_of(node, use)

    def _add_completion(self, arguments: dict[str | None, ast.expr | None], use: _Use) -> None:
        model = string_value(use.scope.value_of(arguments.get("model")))
        if model:
            self.names.models.add(model)
        provider = arguments.get("provider")
        name = string_value(use.scope.value_of(provider))
        path = use.scope.path_of(provider)
        if name:
            _add_name(self.names.providers, name, use, set())
        if name or path:
            self._add_options(name or str(path).rpartition(".")[2], arguments, use.scope)
        elif provider is None and None in arguments:
            self.names.has_indirect_provider = True
        elif not _is_own_provider(use.scope.value_of(provider)):
            self.names.has_unknown_provider = True

    def _add_options(self, provider: str, arguments: dict[str | None, ast.expr | None], scope: Scope) -> None:
        options = {}
        for name, sample in SAMPLE_OPTIONS.items():
            if name in arguments:
                value = scope.value_of(arguments[name])
                options[name] = value.value if isinstance(value, ast.Constant) else sample
        self.names.options.setdefault(provider, []).append(options)


def _add_name(names: dict[str, bool], name: str, use: _Use, errors: set[str]) -> bool:
    """Add a name, and return whether the script catches one of the errors here."""
    is_caught = not use.caught.isdisjoint(errors | _ALL_ERRORS)
    names[name] = names.get(name, True) and is_caught
    return is_caught


def _is_completion(node: ast.AST, scope: Scope) -> bool:
    path = scope.path_of(node)
    if path is None:
        return isinstance(node, ast.Attribute) and node.attr in _DIRECT_CALLS
    return path.endswith((*_COMPLETIONS, *(f".{name}" for name in _DIRECT_CALLS)))


def _read_arguments(node: ast.Call, scope: Scope, parameters: Sequence[str]) -> dict[str | None, ast.expr | None]:
    """Return the arguments of a call by their names. What is unpacked from a dict has the name None as well."""
    arguments: dict[str | None, ast.expr | None] = {keyword.arg: keyword.value for keyword in node.keywords}
    arguments.update(zip(parameters, node.args))
    arguments.update(dict_items(scope.value_of(arguments.get(None))))
    return arguments


def _is_own_provider(value: ast.AST | None) -> bool:
    """Return whether a value is a class of the script's, or combines providers that the script names."""
    return isinstance(value, ast.ClassDef) or function_name(value) == "RetryProvider"


def prefixes(path: str) -> list[str]:
    """Return ``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    return list(accumulate(path.split("."), "{}.{}".format))
