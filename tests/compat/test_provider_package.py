import importlib
import subprocess
import sys

import pytest

from g4f_legacy import Provider
from g4f_legacy.compat import helper, retry_provider

FOLDERS = ["Providers", "deprecated", "needs_auth"]
MISSING_FOLDERS = ["npm", "selenium", "unfinished", "webdriver"]
CLASSES = ["AsyncProvider", "AsyncGeneratorProvider", "RetryProvider"]


def run_python(code: str) -> str:
    """Return what a new interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, encoding="utf-8").stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "from g4f_legacy.Provider import {name} as provider",
        "from g4f_legacy.Provider.{name} import {name} as provider",
        "import g4f_legacy.Provider.{name} as provider",
        "from g4f_legacy.Provider.Providers import {name} as provider",
        "import g4f_legacy.Provider.Providers.{name} as provider",
        "from g4f_legacy.Provider.Providers.{name} import {name} as provider",
        "from g4f_legacy.Provider.deprecated.{name} import {name} as provider",
        "import g4f_legacy.Provider.{name}; provider = g4f_legacy.Provider.{name}",
        "import g4f_legacy; provider = g4f_legacy.Provider.needs_auth.{name}",
        "import importlib; provider = importlib.import_module('g4f_legacy.Provider.deprecated.{name}')",
        "import importlib; provider = importlib.import_module('.needs_auth.{name}', 'g4f_legacy.Provider')",
        "provider = __import__('g4f_legacy.Provider.Providers.{name}', fromlist=['{name}'])",
        "import g4f_legacy.Provider as p; provider = next(m for m in p.__modules__ if m.__name__ == '{name}')",
    ],
)
@pytest.mark.parametrize("name", ["H2o", "OpenAssistant", "Bing", "Openai"])
def test_all_ways_to_import_a_provider(statement: str, name: str) -> None:
    code = f"""
{statement.format(name=name)}
from g4f_legacy import Provider, registry
print(provider is Provider.{name} is registry.get("{name}") is provider.{name}, callable(provider.create_completion))
"""
    assert run_python(code) == "True True"


@pytest.mark.parametrize(
    "code",
    [
        "from g4f_legacy.Provider.helper import format_prompt, get_cookies",
        "from g4f_legacy.Provider.base_provider import AsyncGeneratorProvider, AsyncProvider, BaseProvider",
        "from g4f_legacy.Provider.retry_provider import RetryProvider",
        "from g4f_legacy.Provider import AsyncGeneratorProvider, BaseProvider, ProviderUtils, RetryProvider",
        "from g4f_legacy.Provider import base_provider, helper, retry_provider, Providers, deprecated, needs_auth",
        "from g4f_legacy.Provider.Providers.helper import format_prompt",
        "from g4f_legacy.Provider import *; Bing, H2o, BaseProvider",
        "from g4f_legacy.Provider.Providers import *; Bing, H2o, BaseProvider",
        f"from g4f_legacy.Provider import *; {', '.join(CLASSES)}",
        f"from g4f_legacy.Provider.deprecated import *; {', '.join(CLASSES)}",
        "from g4f_legacy.Provider import Provider; Provider._create_completion",
        "import g4f_legacy.Provider.Provider",
        "import sys; sys.modules['flask'] = None; from g4f_legacy import *; ChatCompletion, gui",
    ],
)
def test_other_imports(code: str) -> None:
    assert run_python(code) == ""


def test_an_alias_leaves_the_module_as_it_is() -> None:
    assert importlib.import_module("g4f_legacy.Provider.helper") is helper is Provider.helper
    assert importlib.import_module("g4f_legacy.Provider.retry_provider") is retry_provider
    assert helper.__spec__ is not None and helper.__spec__.name == "g4f_legacy.compat.helper"
    assert repr(importlib.import_module("g4f_legacy.Provider.Bing")) == "<module 'Bing'>"


@pytest.mark.parametrize("name", ["Nope", "H2o.Nope", "Providers.Nope", "Bing.Bing"])
def test_a_module_that_does_not_exist(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="^No module named 'g4f_legacy.Provider"):
        importlib.import_module(f"g4f_legacy.Provider.{name}")


@pytest.mark.parametrize("name", MISSING_FOLDERS)
@pytest.mark.parametrize(
    "statement",
    [
        "import g4f_legacy.Provider.{name}",
        "import g4f_legacy.Provider.{name}.Bard",
        "from g4f_legacy.Provider import {name}",
        "from g4f_legacy.Provider.{name} import Bard",
        "from g4f_legacy.Provider.Providers import {name}",
        "g4f_legacy.Provider.{name}",
    ],
)
def test_a_folder_that_is_missing(name: str, statement: str) -> None:
    with pytest.raises((ImportError, AttributeError)) as raised:
        exec(f"import g4f_legacy; {statement.format(name=name)}", {})
    assert str(raised.value).startswith(f"there is no Provider.{name} in g4f_legacy")
    assert "g4f-legacy providers --all" in str(raised.value)
    assert type(raised.value) is (ModuleNotFoundError if "import" in statement else AttributeError)


def test_lists() -> None:
    assert set(dir(Provider)) - set(Provider.__map__) == {"Provider", "Providers"}
    assert dir(Provider.deprecated) == dir(Provider.Providers) == list(Provider.__map__)
    assert Provider.__all__ == Provider.needs_auth.__all__ == ["BaseProvider", *Provider.__map__, *CLASSES]
    assert Provider.__modules__ == [getattr(Provider, name) for name in dir(Provider)]
    assert [getattr(Provider, module.__name__) for module in Provider.__modules__] == Provider.__modules__


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_looks_like_a_provider_that_does_not_work(folder: str) -> None:
    package = getattr(Provider, folder)
    assert (package.url, package.model, package.models, package.params) == ("", [], {}, "")
    flags = ("working", "needs_auth", "supports_stream", "supports_gpt_35_turbo", "supports_gpt_4")
    assert not any(getattr(package, flag) for flag in flags)
    assert package.__name__ == f"g4f_legacy.Provider.{folder}" and getattr(Provider, package.__name__) is package


@pytest.mark.parametrize("name", ["__wrapped__", "_create_completion"])
def test_an_attribute_that_does_not_exist(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'g4f_legacy.Provider' has no attribute '{name}'$"):
        getattr(Provider, name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_no_provider(folder: str) -> None:
    code = f"""
import sys
import g4f_legacy.Provider.{folder}
print([name for name in sys.modules if name.startswith("g4f_legacy.Provider.")])
"""
    assert run_python(code) == f"['g4f_legacy.Provider.{folder}']"


@pytest.mark.parametrize("module", ["g4f_legacy", "g4f_legacy.Provider", "g4f_legacy.Provider.deprecated"])
def test_reload(module: str) -> None:
    code = f"""
import importlib, sys, g4f_legacy, g4f_legacy.Provider.deprecated
bing, finders = g4f_legacy.Provider.Bing, len(sys.meta_path)
importlib.reload(sys.modules["{module}"])
print(g4f_legacy.Provider.Bing is bing, g4f_legacy.Provider.Echo.create_completion, len(sys.meta_path) - finders)
"""
    assert run_python(code).startswith("True <bound method") and run_python(code).endswith(" 0")


def test_threads_can_import_providers_at_the_same_time() -> None:
    code = """
import importlib, sys, threading
sys.setswitchinterval(1e-5)
import g4f_legacy

def use(name):
    start.wait()
    importlib.import_module("g4f_legacy.Provider.Bing")
    providers.append(getattr(g4f_legacy.Provider, name))
    providers[-1].create_completion

providers, start = [], threading.Barrier(12)
threads = [threading.Thread(target=use, args=(name,), daemon=True) for name in ["Bing", "Echo", "H2o"] * 4]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
print(len(providers), len(set(providers)))
"""
    assert run_python(code) == "12 3"
