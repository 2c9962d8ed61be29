"""Finds the names of g4f that a script uses, as dotted paths without the ``g4f``, in its syntax tree."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from .script_scopes import Scope, dict_items, function_name, path_in_g4f, split_attributes, string_value

_COMPLETIONS = ("Completion.create", "Completion.create_async")  # of `ChatCompletion` as well
_DIRECT_CALLS = ("_create_completion", "create_completion", "create_async", "create_async_generator")

_ALL_ERRORS = {"", "BaseException", "Exception"}
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}
_LOOKUP_ERRORS = {"G4fError", "LookupError", "ModelNotFoundError", "ProviderNotFoundError"}


@dataclass
class ScriptNames:
    """What a script uses.

    Attributes:
        paths: the dotted paths that it reads, and whether it catches the error if they do not exist.
        tested: paths that it uses only if they exist.
        assigned: paths that it assigns itself.
        star_imports: paths of modules.
        providers: providers that are given as strings; the same as `paths`.
        models: models that are given as strings.
        has_unknown_provider: whether a completion names no provider, or one that only a run can tell.
        has_indirect_provider: whether the script may name the provider of a completion elsewhere, as in
            ``create(**kwargs)`` and ``for provider in providers: provider.create_async(…)``.
        copies: modules that are a copy of g4f, such as ``lib.g4f``.
        is_own_name: whether it imports ``g4f_legacy``, by that name.
    """

    paths: dict[str, bool] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    star_imports: set[str] = field(default_factory=set)
    providers: dict[str, bool] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    has_unknown_provider: bool = False
    has_indirect_provider: bool = False
    copies: set[str] = field(default_factory=set)
    is_own_name: bool = False


def find_names(tree: ast.Module, list_star_names: Callable[[str], Iterable[str]]) -> ScriptNames:
    """Return what a script uses.

    Args:
        tree: the script.
        list_star_names: returns the names that a star import from a module of g4f binds, given its path.
    """
    module = Scope()
    uses = list(_walk(tree, module))
    finder = _NameFinder(module, list_star_names)
    for use in uses:
        finder.add_import(use)
    for use in uses:
        if use.scope.is_function:
            finder.add_assignment(use)  # the function may have been called before the name is read
    for use in uses:
        if not use.scope.is_function:
            finder.add_use(use)
            finder.add_assignment(use)
    for use in uses:
        if use.scope.is_function:
            finder.add_use(use)
    return finder.names


class _Use(NamedTuple):
    """A node, and where it is."""

    node: ast.AST
    scope: Scope
    caught: frozenset[str]  # the errors that the statements around it catch; an empty string is all of them


_USES = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Name, ast.Call, ast.AugAssign)


def _walk(tree: ast.Module, module: Scope) -> Iterator[_Use]:
    """Yield the nodes that may use g4f, in the order in which they are evaluated, and fill the scopes."""
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
            yield from _function_children(node, scope, caught)
        case ast.ClassDef():
            yield from _enter([*node.decorator_list, *node.bases, *node.keywords], scope, caught)
            yield from _enter(node.body, Scope(scope, is_class=True), caught)
        case ast.Try():
            yield from _enter(node.body, scope, caught | _caught_errors(node))
            yield from _enter([*node.handlers, *node.orelse, *node.finalbody], scope, caught)
        case ast.With() | ast.AsyncWith():
            yield from _enter(node.items, scope, caught)
            yield from _enter(node.body, scope, caught | _suppressed_errors(node))
        case ast.Assign():
            yield from _enter([node.value, *_unbound(node.targets)], scope, caught)
        case ast.AnnAssign(value=ast.expr() as value):
            yield from _enter([node.annotation, value, *_unbound([node.target])], scope, caught)
        case ast.NamedExpr():
            yield _Use(node.value, scope, caught)
        case ast.Attribute():
            yield _Use(split_attributes(node)[0], scope, caught)
        case _:
            yield from _enter(ast.iter_child_nodes(node), scope, caught)


def _enter(nodes: Iterable[ast.AST], scope: Scope, caught: frozenset[str]) -> Iterator[_Use]:
    return (_Use(node, scope, caught) for node in nodes)


def _function_children(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope, caught: frozenset[str]
) -> Iterator[_Use]:
    arguments = node.args
    defaults = [*arguments.defaults, *(default for default in arguments.kw_defaults if default)]
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    yield from _enter([*decorators, *defaults], scope, caught)
    inner = Scope(scope, is_function=True)
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    # Called elsewhere: what catches errors here does not do so there.
    yield from _enter([*filter(None, parameters), *body], inner, frozenset())


def _unbound(targets: Sequence[ast.AST]) -> list[ast.AST]:
    """Return the targets of an assignment that `Scope.bind_names` has not bound to its value."""
    return [target for target in targets if not isinstance(target, ast.Name)]


def _caught_errors(node: ast.Try) -> set[str]:
    errors: set[str] = set()
    for handler in node.handlers:
        errors |= _error_names([handler.type]) if handler.type else {""}
    return errors


def _suppressed_errors(node: ast.With | ast.AsyncWith) -> set[str]:
    errors: set[str] = set()
    for item in node.items:
        if function_name(item.context_expr) == "suppress":
            errors |= _error_names(getattr(item.context_expr, "args", []))
    return errors


def _error_names(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for node in nodes:
        for error in node.elts if isinstance(node, ast.Tuple) else [node]:
            names.add(str(getattr(error, "attr", getattr(error, "id", None))))
    return names


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
        self.names.is_own_name |= fullname.startswith("g4f_legacy")
        prefix = fullname.removesuffix(path).rstrip(".")
        if is_relative or "." in prefix:
            self.names.copies.add(prefix)
        if name == "*" and parent is not None:
            path = parent
            self.names.star_imports.add(parent)
            for star_name in self._list_star_names(parent):
                self._module.star_names[star_name] = f"{parent}.{star_name}".strip(".")
        if parent is not None and path and self._read(path, use, _IMPORT_ERRORS):
            self._add_test(path)

    def add_assignment(self, use: _Use) -> None:
        """Add the attribute of g4f that a node assigns."""
        path = None
        match use.node:
            case ast.Attribute(ctx=ast.Store()):
                path = use.scope.path_of(use.node)
            case ast.Call(func=ast.Name(id="setattr"), args=[owner, ast.Constant(value=str(name)), _]):
                path = use.scope.path_of(ast.Attribute(owner, name, ast.Store()))
        if path:
            self.names.assigned.add(path)

    def add_use(self, use: _Use) -> None:
        match use.node:
            case ast.Attribute(ctx=ast.Store()):
                self._read_path_of(use.node.value, use)
            case ast.Attribute() | ast.Name(ctx=ast.Load()):
                self._read_path_of(use.node, use)
            case ast.AugAssign(target=target):
                self._read_path_of(target, use)
            case ast.Call():
                self._add_call(use.node, use)

    def _read_path_of(self, node: ast.AST, use: _Use) -> None:
        path = use.scope.path_of(node)
        if not path or not self.names.assigned.isdisjoint(_prefixes(path)):
            return
        self._read(path, use, {"AttributeError"})
        if "AttributeError" in use.caught:
            self._add_test(path)

    def _read(self, path: str, use: _Use, errors: set[str]) -> bool:
        """Add a path, and return whether the script catches the error if it does not exist."""
        is_caught = not use.caught.isdisjoint(errors | _ALL_ERRORS)
        self.names.paths[path] = self.names.paths.get(path, True) and is_caught
        return is_caught

    def _add_test(self, path: str) -> None:
        self.names.tested.update(_prefixes(path))

    def _add_call(self, node: ast.Call, use: _Use) -> None:
        match function_name(node), node.args:
            case "hasattr", [owner, ast.Constant(value=str(name))]:
                self._add_test(use.scope.path_of(ast.Attribute(owner, name, ast.Load())) or "")
            case "getattr", [_, ast.Constant(value=str()), _]:
                self._add_test(use.scope.path_of(node) or "")
            case "getattr", [_, ast.Constant(value=str())]:
                self._read_path_of(node, use)
        path = use.scope.path_of(node.func)
        if path is None and isinstance(node.func, ast.Attribute) and node.func.attr in _DIRECT_CALLS:
            self.names.has_indirect_provider = True
        if path and path.endswith(_COMPLETIONS):
            self._add_completion(node.args, node.keywords, use)
        for position, argument in enumerate(node.args):  # of `asyncio.to_thread`, `functools.partial` and so on
            if (use.scope.path_of(argument) or "").endswith(_COMPLETIONS):
                self._add_completion(node.args[position + 1 :], node.keywords, use)
        for keyword in node.keywords:  # of `threading.Thread`
            if (use.scope.path_of(keyword.value) or "").endswith(_COMPLETIONS):
                self.names.has_indirect_provider = True

    def _add_completion(self, positional: list[ast.expr], keywords: list[ast.keyword], use: _Use) -> None:
        arguments: dict[str | None, ast.AST | None] = {keyword.arg: keyword.value for keyword in keywords}
        arguments.update(zip(("model", "messages", "provider"), positional))
        unpacked = use.scope.value_of(arguments.pop(None, None))
        arguments.update(dict_items(unpacked))
        model = string_value(use.scope.value_of(arguments.get("model")))
        if model:
            self.names.models.add(model)
        provider = arguments.get("provider")
        name = string_value(use.scope.value_of(provider))
        if name:
            is_caught = not use.caught.isdisjoint(_LOOKUP_ERRORS | _ALL_ERRORS)
            self.names.providers[name] = self.names.providers.get(name, True) and is_caught
        elif unpacked is not None and provider is None:
            self.names.has_indirect_provider = True
        elif provider is None or not self._is_provider(provider, use.scope):
            self.names.has_unknown_provider = True

    def _is_provider(self, node: ast.AST, scope: Scope) -> bool:
        """Return whether an expression names a provider, or is one that the script defines."""
        value = scope.value_of(node)
        return bool(scope.path_of(node)) or isinstance(value, ast.ClassDef) or function_name(value) == "RetryProvider"


def _prefixes(path: str) -> list[str]:
    """Return ``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    return list(accumulate(path.split("."), "{}.{}".format))
