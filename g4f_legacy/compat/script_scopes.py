"""What the variables of a script stand for: names of g4f, as dotted paths without the ``g4f``."""

import ast
from typing import Any


class Scope:
    """The variables of a module, a class or a function, and what the script binds them to.

    Attributes:
        is_function: whether its code runs when a function is called, rather than from top to bottom.
        star_names: the variables that star imports bind, with their paths; only of the module's scope.
    """

    def __init__(self, parent: "Scope | None" = None, is_class: bool = False, is_function: bool = False) -> None:
        self.is_function: bool = is_function or parent is not None and parent.is_function
        self.star_names: dict[str, str] = {}
        self._parent = parent
        self._is_class = is_class
        self._bindings: dict[str, list[ast.AST | str | None]] = {}  # a node, a path, or None: anything else
        self._global_names: set[str] = set()
        self._paths: dict[str, str | None] = {}

    def bind_names(self, node: ast.AST) -> None:
        """Add the variables that a node itself binds."""
        match node:
            case ast.Import():
                self._bind_modules(node)
            case ast.ImportFrom():
                self._bind_imported_names(node)
            case ast.Assign():
                for target in node.targets:
                    self._bind_target(target, node.value)
            case ast.AnnAssign() | ast.NamedExpr():
                self._bind_target(node.target, node.value)
            case ast.ClassDef():
                self._bind(node.name, node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ExceptHandler(name=str()):
                self._bind(str(node.name), None)
            case ast.Name(ctx=ast.Store()):
                self._bind(node.id, None)
            case ast.arg():
                self._bind(node.arg, None)
            case ast.Global():
                self._global_names.update(node.names)

    def _bind_modules(self, node: ast.Import) -> None:
        for imported in node.names:
            path = path_in_g4f(imported.name)
            if path and not imported.asname:  # `import lib.g4f.models` makes `lib.g4f` usable
                self._bind(imported.name.removesuffix(f".{path}"), "")
            else:
                self._bind(imported.asname or imported.name, path)

    def _bind_imported_names(self, node: ast.ImportFrom) -> None:
        for imported in node.names:
            path = path_in_g4f(f"{node.module or ''}.{imported.name}".strip("."))
            self._bind(imported.asname or imported.name, path)

    def _bind_target(self, target: ast.AST, value: ast.AST | None) -> None:
        if isinstance(target, ast.Name) and value is not None:
            self._bind(target.id, value)

    def _bind(self, name: str, value: ast.AST | str | None) -> None:
        if isinstance(value, ast.Constant) and value.value is None:
            return  # a first value, or what is left of a failed import
        scope = self._module() if name in self._global_names else self
        scope._bindings.setdefault(name, []).append(value)

    def _module(self) -> "Scope":
        scope = self
        while scope._parent is not None:
            scope = scope._parent
        return scope

    def path_of(self, node: ast.AST) -> str | None:
        """Return the path that an expression stands for, or None if that is not g4f or depends on the run."""
        base, attributes = split_attributes(node)
        if isinstance(base, ast.Call):
            return _join(self._path_of_call(base), attributes)
        if not isinstance(base, ast.Name):
            return None
        parts = [base.id, *attributes]
        for end in range(1, len(parts) + 1):  # `import lib.g4f` binds a dotted name
            path = self._path_of_name(".".join(parts[:end]))
            if path is not None:
                return _join(path, parts[end:])
        return None

    def value_of(self, node: ast.AST | None) -> ast.AST | None:
        """Return what the script assigns to a variable, if it does that once; any other expression as it is."""
        if isinstance(node, ast.Name):
            bindings = self._find_bindings(node.id)
            if len(bindings) == 1 and isinstance(bindings[0], ast.AST):
                return bindings[0]
        return node

    def _find_bindings(self, name: str) -> list[ast.AST | str | None]:
        scope = self._find_scope(name)
        return scope._bindings[name] if scope else []

    def _find_scope(self, name: str) -> "Scope | None":
        scope: Scope | None = self
        while scope is not None:
            if name in scope._bindings and (scope is self or not scope._is_class):
                return scope
            scope = scope._parent
        return None

    def _path_of_name(self, name: str) -> str | None:
        scope = self._find_scope(name)
        if scope is None:
            return self._module().star_names.get(name)
        if name not in scope._paths:
            scope._paths[name] = None  # of a variable that is assigned to itself
            paths = {scope._path_of_binding(binding) for binding in scope._bindings[name]}
            scope._paths[name] = paths.pop() if len(paths) == 1 else None
        return scope._paths[name]

    def _path_of_binding(self, binding: ast.AST | str | None) -> str | None:
        return self.path_of(binding) if isinstance(binding, ast.AST) else binding

    def _path_of_call(self, node: ast.Call) -> str | None:
        match function_name(node), node.args:
            case "getattr", [owner, ast.Constant(value=str(name)), *_]:
                return _join(self.path_of(owner), [name])
            case "import_module" | "__import__", [ast.Constant(value=str(name)), *_]:
                return path_in_g4f(name)
        return None


def split_attributes(node: ast.AST) -> tuple[ast.AST, list[str]]:
    """Return the expression in front of the attributes that are read from it, and their names."""
    attributes = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return node, attributes[::-1]


def function_name(node: ast.AST | None) -> str:
    """Return the name of the function that an expression calls, or an empty string."""
    function: Any = getattr(node, "func", None)
    return str(getattr(function, "attr", getattr(function, "id", "")))


def string_value(node: ast.AST | None) -> str:
    """Return the value of a string literal, or an empty string."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def dict_items(node: ast.AST | None) -> dict[str, ast.expr]:
    """Return the items of a dict that is written as ``{…}`` or ``dict(…)``."""
    if isinstance(node, ast.Dict):
        return {string_value(key): value for key, value in zip(node.keys, node.values)}
    if isinstance(node, ast.Call) and function_name(node) == "dict":
        return {keyword.arg or "": keyword.value for keyword in node.keywords}
    return {}


def path_in_g4f(module: str) -> str | None:
    """Return what follows ``g4f`` in a module's name, or None if the name does not contain it."""
    parts = module.replace("g4f_legacy", "g4f").split(".")
    return ".".join(parts[parts.index("g4f") + 1 :]) if "g4f" in parts else None


def _join(path: str | None, attributes: list[str]) -> str | None:
    return None if path is None else ".".join(filter(None, [path, *attributes]))
