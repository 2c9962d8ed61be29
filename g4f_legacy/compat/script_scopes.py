"""What the variables of a script stand for: names of g4f, as dotted paths without the ``g4f``."""

import ast
from typing import Any


class Scope:
    """The variables of a module, a class or a function, and what the script binds them to.

    Attributes:
        star_names: the variables that star imports bind, with their paths; the same in all scopes.
    """

    def __init__(self, parent: "Scope | None" = None, is_class: bool = False) -> None:
        self.star_names: dict[str, str] = parent.star_names if parent else {}
        self._parent = parent
        self._is_class = is_class
        self._values: dict[ast.AST, ast.AST | None] = {}  # of the targets of assignments
        self._bindings: dict[str, list[ast.AST | str | None]] = {}  # a node, a path, or None: anything else
        self._paths: dict[str, str | None] = {}

    def bind_names(self, node: ast.AST) -> None:
        """Add the variables that a node itself binds."""
        match node:
            case ast.Import():
                self._bind_modules(node)
            case ast.ImportFrom():
                self._bind_imported_names(node)
            case ast.Assign():
                self._values.update(dict.fromkeys(node.targets, node.value))
            case ast.AnnAssign() | ast.NamedExpr():
                self._values[node.target] = node.value
            case ast.ClassDef():
                self._bind(node.name, node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ExceptHandler(name=str()):
                self._bind(str(node.name), None)
            case ast.Name(ctx=ast.Store()):
                self._bind(node.id, self._values.get(node))
            case ast.arg():
                self._bind(node.arg, None)

    def _bind_modules(self, node: ast.Import) -> None:
        for imported in node.names:
            package = imported.name.partition(".")[0]  # `import g4f.models` binds `g4f`
            self._bind(imported.asname or package, path_in_g4f(imported.name if imported.asname else package))

    def _bind_imported_names(self, node: ast.ImportFrom) -> None:
        for imported in node.names:
            path = path_in_g4f(f"{node.module or ''}.{imported.name}".strip("."))
            self._bind(imported.asname or imported.name, path)

    def _bind(self, name: str, value: ast.AST | str | None) -> None:
        if isinstance(value, ast.Constant) and value.value is None:
            return  # a first value, or what is left of a failed import
        self._bindings.setdefault(name, []).append(value)

    def path_of(self, node: ast.AST | None) -> str | None:
        """Return the path that an expression stands for, or None if that is not g4f or depends on the run."""
        base, attributes = split_attributes(node)
        if isinstance(base, ast.Call):
            return _join(self._path_of_call(base), attributes)
        return _join(self._path_of_name(base.id), attributes) if isinstance(base, ast.Name) else None

    def value_of(self, node: ast.AST | None) -> ast.AST | None:
        """Return what the script assigns to a variable, if it does that once; any other expression as it is."""
        if isinstance(node, ast.Name):
            scope = self._find_scope(node.id)
            bindings = scope._bindings[node.id] if scope else []
            if len(bindings) == 1 and isinstance(bindings[0], ast.AST):
                return bindings[0]
        return node

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
            return self.star_names.get(name)
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


def split_attributes(node: Any) -> tuple[Any, list[str]]:
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
