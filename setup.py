"""The build adds the stub package ``g4f_legacy-stubs``, by which type checkers and editors know all providers.

Providers get their methods, and placeholders their modules, at run time, where such tools do not look. The stub package
(https://peps.python.org/pep-0561/#partial-stub-packages) names them; types and docstrings are those of the package.
Each build writes it from the package itself, so that no list is kept by hand.
"""

import ast
import json
import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = Path(__file__).parent / "g4f_legacy"
IMPORT = "from g4f_legacy.compat.provider_module import ProviderModule\n"


class BuildWithStubs(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write_stubs(Path(self.build_lib, "g4f_legacy-stubs"))


def write_stubs(folder: Path) -> None:
    """Write the stub package to a folder."""
    write(folder / "py.typed", "partial\n")
    write(folder / "__init__.pyi", read_root())
    former = runpy.run_path(str(PACKAGE / "compat" / "provider_package.py"))
    folders, modules = former["_FOLDERS"], former["_MODULES"]
    names = read_provider_names()
    package = IMPORT
    package += "".join(reexport(f"g4f_legacy.compat.{module}", name) for name, module in former["_CLASSES"].items())
    package += "".join(reexport("g4f_legacy.compat", module) for module in modules)
    package += "".join(f"{name}: ProviderModule\n" for name in names)
    package += "__map__: dict[str, ProviderModule]\n__providers__: list[ProviderModule]\n"
    write(folder / "Provider" / "__init__.pyi", package + "".join(reexport(".", name) for name in folders))
    for subfolder in folders:
        write(folder / "Provider" / subfolder / "__init__.pyi", package)
    attributes = "".join(f"{name} = _provider.{name}\n" for name in read_public_names())
    for parent in (folder / "Provider", *(folder / "Provider" / subfolder for subfolder in folders)):
        for module in modules:
            write(parent / f"{module}.pyi", f"from g4f_legacy.compat.{module} import *\n")
        for name in names:
            write(parent / f"{name}.pyi", f"{IMPORT}_provider: ProviderModule\n{attributes}{name} = _provider\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def reexport(module: str, name: str) -> str:
    return f"from {module} import {name} as {name}\n"


def read_provider_names() -> list[str]:
    """Return the names of all providers, the placeholders and the template included."""
    facts = json.loads((PACKAGE / "compat" / "providers_2023.json").read_text("utf-8"))
    modules = [path.stem for path in (PACKAGE / "Provider").glob("[!_]*.py")]
    return sorted({*facts, *modules})


def read_public_names() -> list[str]:
    """Return the names of what users read and call of a provider."""
    for statement in parse(PACKAGE / "compat" / "provider_module.py"):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_PUBLIC_NAMES":
            return list(ast.literal_eval(statement.value))
    raise LookupError("_PUBLIC_NAMES is not in provider_module.py")


def read_root() -> str:
    """Return what the package root shows to type checkers: its imports, and its switches and ``__all__``."""
    lines = []
    for statement in parse(PACKAGE / "__init__.py"):
        if isinstance(statement, ast.If):  # TYPE_CHECKING
            for imported in statement.body:
                if isinstance(imported, ast.ImportFrom) and imported.level:
                    module = "." + (imported.module or "")
                    lines += [reexport(module, alias.name) for alias in imported.names]
        elif isinstance(statement, ast.Assign) and is_public(statement.targets[0]):
            lines.append(ast.unparse(statement) + "\n")
    return "".join(lines)


def is_public(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and (target.id == "__all__" or target.id.islower())


def parse(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text("utf-8")).body


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithStubs})
