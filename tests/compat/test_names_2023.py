"""All public names of 2023 exist, with their facts: under ``g4f-legacy run``, and with the package imported as g4f.

The folder ``facts`` has what is recorded of the 88 providers and 50 models. Each test runs a script that prints what is
wrong.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FACTS = Path(__file__).parent / "facts"

PROVIDERS = """
import json, pathlib, sys
import g4f
# H2o knows the model id of its first model as such; the other parameters of 2023 are options, which no `params` lists;
# the public HuggingChat requires a login since then.
different = {("H2o", "models"), ("HuggingChat", "params"), ("HuggingChat", "needs_auth"), ("OpenAssistant", "params")}
recorded = json.loads(pathlib.Path(sys.argv[1], "providers_2023.json").read_bytes())
for facts in recorded:
    name = facts["name"]
    provider = getattr(g4f.Provider, name)
    if facts.get("alias_of"):
        if provider is not getattr(g4f.Provider, facts["alias_of"]):
            print(name, "is not", facts["alias_of"])
        continue
    parameters = ", ".join(f"{parameter}: {kind}" for parameter, kind in facts["parameters"])
    expected = {
        "__name__": name,
        "params": f"g4f.Providers.{name} supports: ({parameters})",
        "model": facts["models"],
        **{key: value for key, value in facts.items() if key.startswith(("url", "supports_", "needs_"))},
    }
    for attribute, value in expected.items():
        found = getattr(provider, attribute)
        key = (name, "models" if attribute == "model" else attribute)
        if found != value and key not in different:
            print(name, attribute, "is", found, "and not", value)
    aliases = facts.get("model_aliases", {}).items()
    if not aliases <= provider.model_aliases.items() or not aliases <= provider.models.items():
        print(name, "lacks some of the aliases", aliases)
    if g4f.Provider.__map__.get(name) is not provider or g4f.ProviderUtils.convert.get(name) is not provider:
        print(name, "is not in the maps")
    if provider not in g4f.Provider.__providers__ or not {name} <= {*dir(g4f.Provider)} & {*g4f.Provider.__all__}:
        print(name, "is not in the lists")
print(len(recorded), "providers")
"""

MODELS = """
import json, pathlib, sys
import g4f
recorded = json.loads(pathlib.Path(sys.argv[1], "models_2023.json").read_bytes())
keys = []
for facts in recorded:
    attribute = facts["attribute"]
    model = getattr(g4f.models, attribute)
    expected = {"base_provider": facts["base_provider"], "name": facts["ids"][0]}
    for name, value in expected.items():
        if getattr(model, name) != value:
            print(attribute, name, "is", getattr(model, name), "and not", value)
    # Two models had several providers of which none is recorded as the first: Aivvm lists both.
    best = facts["first_default_provider"] or "Aivvm"
    if model.best_provider is not getattr(g4f.Provider, best) or model.best_provider.__name__ != best:
        print(attribute, "best_provider is", model.best_provider)
    if getattr(g4f.Model, attribute) is not model:
        print("Model lacks", attribute)
    for key in facts["convert_keys"]:
        keys.append(key)
        if g4f.ModelUtils.convert[key] is not model:
            print("convert has", g4f.ModelUtils.convert[key], "as", key)
if set(keys) != set(g4f.models._all_models) or type(g4f.models._all_models) is not list:
    print("_all_models has", g4f.models._all_models)
print(len(recorded), "models")
"""

# Each line must be true.
CONDITIONS = r"""
all(hasattr(g4f, name) for name in TOP.split())
all(hasattr(g4f.Provider, name) for name in IN_PROVIDER.split())
all(issubclass(getattr(g4f.errors, name), Exception) for name in ERRORS.split())
g4f.typing.get_type_hints is typing.get_type_hints
g4f.provider is g4f.Provider
g4f.Messages([{"role": "user"}]) == [{"role": "user"}]
g4f.Model.__all__() == g4f.models._all_models == list(g4f.ModelUtils.convert)
g4f.Model.model is g4f.Model and g4f.Model.model.gpt_4 is g4f.models.gpt_4
not hasattr(g4f.models.gpt_4, "model")
g4f.models.gpt_4_32k.best_provider is g4f.models.gpt_4_32k_0613.best_provider is g4f.Provider.Aivvm
g4f.models.gpt_4.best_provider.providers == [g4f.Provider.Bing]
g4f.Provider.H2o.providers == [g4f.Provider.H2o]
g4f.debug.check_version is g4f.debug.version_check is g4f.debug.logging is False
{"Provider", "Providers"} <= {name for name, _ in inspect.getmembers(g4f.Provider)}
all(inspect.ismodule(member) for _, member in inspect.getmembers(g4f.Provider))
{"Provider", "Providers"} <= set(dir(g4f.Provider))
not {"Provider", "Providers"} & {*g4f.Provider.__map__, *g4f.ProviderUtils.convert, *g4f.Provider.__all__}
g4f.Provider.__modules__ == [getattr(g4f.Provider, name) for name in dir(g4f.Provider)]
g4f.Provider.__providers__ == list(g4f.Provider.__map__.values()) == list(g4f.ProviderUtils.convert.values())
g4f.Provider.__all__[0] == "BaseProvider"
g4f.Provider.__all__[1:-3] == list(g4f.Provider.__map__)
g4f.Provider.__all__[-3:] == ["AsyncProvider", "AsyncGeneratorProvider", "RetryProvider"]
all(hasattr(getattr(g4f.Provider, name), flag) for name in g4f.Provider.__all__ for flag in FLAGS.split())
all(hasattr(getattr(g4f.Provider, name), flag) for name in dir(g4f.Provider) for flag in FLAGS.split())
all(isinstance(getattr(g4f.Provider, name).model, list) for name in [*dir(g4f.Provider), *g4f.Provider.__all__])
all(getattr(g4f.Provider, module.__name__) is module for module in g4f.Provider.__modules__)
all(getattr(g4f.Provider, name).__name__ == name for name in g4f.Provider.__map__ if name != "Palm")
not any(provider.working for provider in (g4f.Provider.Provider, g4f.Provider.Providers))
all(getattr(g4f.Provider, name).url == "" for name in "Aws Mishalsgpt Openai Ora Pierangelo".split())
all(getattr(g4f.Provider, name).working is False for name in "Aws Mishalsgpt Openai Ora Pierangelo".split())
g4f.Provider.Openai is not g4f.Provider.OpenAI
g4f.Provider.Openai.__doc__ == "Openai of 2023 no longer exists."
g4f.Provider.H2o.supports_message_history in (True, False)
g4f.Provider.Bing.supports_message_history in (True, False)
isinstance(g4f.Provider.helper.get_random_string(), str)
callable(g4f.Provider.helper.get_event_loop)
g4f.Provider.base_provider.format_prompt is g4f.Provider.helper.format_prompt
g4f.Provider.base_provider.get_cookies is g4f.Provider.helper.get_cookies
not g4f.RetryProvider([g4f.Provider.Bing]).exceptions
callable(g4f.api.Api(engine=g4f, debug=True, sentry=False, list_ignored_providers=None).run)
callable(g4f.gui.run_gui) and callable(g4f.interference.run_interference)
"""

STATEMENTS = """
from g4f import *; ChatCompletion, Provider, Model, models, debug
from g4f import ChatCompletion, Provider, models
from g4f import api, gui, interference
from g4f.api import Api
from g4f.gui import run_gui
from g4f.interference import run_interference
from g4f.debug import check_version, version_check, logging
from g4f.models import *; Model, gpt_4
from g4f.models import Model, ModelUtils, gpt_35_turbo, _all_models
from g4f.typing import *; get_type_hints, sha256
from g4f.typing import Any, Dict, Messages, CreateResult, AsyncResult, get_type_hints
from g4f.Provider import *; BaseProvider, Bing, AsyncProvider, AsyncGeneratorProvider, RetryProvider
from g4f.Provider.Providers import *; BaseProvider, Bing, AsyncProvider, AsyncGeneratorProvider, RetryProvider
from g4f.Provider import Openai, Ora, Aws, Pierangelo, Mishalsgpt
from g4f.Provider import Provider, Providers
import g4f.Provider.Provider
from g4f.Provider.Providers import H2o, Openai
from g4f.Provider.deprecated.H2o import H2o
from g4f.Provider.helper import format_prompt, get_cookies, get_event_loop, get_random_string
from g4f.Provider.base_provider import BaseProvider, AsyncProvider, AsyncGeneratorProvider, format_prompt, get_cookies
from g4f.Provider.retry_provider import RetryProvider
"""

# Each must raise an ImportError that says more than that there is no such module.
MISSING = """
import g4f.Provider.unfinished
from g4f.Provider import unfinished
from g4f.Provider.unfinished import ChatPdf
from g4f.Provider.selenium.Bard import Bard
from g4f.Provider import selenium
from g4f.Provider import webdriver
import g4f.Provider.npm
"""
MISSING_UNDER_RUN = """
import g4f.cli
from g4f.requests import StreamSession
from g4f.webdriver import WebDriver
"""

TOP = """ChatCompletion Completion Provider Model ModelUtils models BaseProvider AsyncGeneratorProvider RetryProvider
ProviderUtils Messages CreateResult AsyncResult get_model_and_provider debug logging version check_version version_check
typing errors api gui interference"""
IN_PROVIDER = """BaseProvider AsyncProvider AsyncGeneratorProvider RetryProvider ProviderUtils __all__ __providers__
__map__ __modules__ base_provider helper Provider Providers deprecated needs_auth retry_provider"""
ERRORS = """ProviderNotFoundError ProviderNotWorkingError StreamNotSupportedError AuthenticationRequiredError
ModelNotFoundError ModelNotAllowed RetryProviderError RetryNoProviderError VersionNotFoundError NestAsyncioError"""
FLAGS = """url model models params __name__ needs_auth working supports_stream supports_gpt_35_turbo supports_gpt_4
supports_message_history model_aliases"""


@pytest.fixture(params=["run", "plain"])
def mode(request: pytest.FixtureRequest) -> str:
    """How a script gets the package: by the name g4f, or imported as g4f."""
    return str(request.param)


def run_script(mode: str, folder: Path, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    if mode == "plain":
        script = re.sub(r"\bimport g4f$", "import g4f_legacy as g4f", script, flags=re.MULTILINE)
        script = re.sub(r"\b(from|import) g4f\b", r"\1 g4f_legacy", script)
    (folder / "script.py").write_text(script, "utf-8")
    start = ["-m", "g4f_legacy", "run"] if mode == "run" else []
    command = [sys.executable, "-W", "error", *start, "script.py", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=folder, env=environment, timeout=60, capture_output=True, encoding="utf-8")


def check(mode: str, folder: Path, script: str, printed: str) -> None:
    done = run_script(mode, folder, script, str(FACTS))
    assert (done.stderr, done.stdout, done.returncode) == ("", printed, 0)


def test_providers(mode: str, tmp_path: Path) -> None:
    check(mode, tmp_path, PROVIDERS, "88 providers\n")


def test_models(mode: str, tmp_path: Path) -> None:
    check(mode, tmp_path, MODELS, "50 models\n")


def test_conditions(mode: str, tmp_path: Path) -> None:
    names = {"TOP": TOP, "IN_PROVIDER": IN_PROVIDER, "ERRORS": ERRORS, "FLAGS": FLAGS}
    script = f"""
import inspect, typing
import g4f
globals().update({names!r})
for condition in {CONDITIONS.strip().splitlines()!r}:
    try:
        result = eval(condition)
    except Exception as error:
        result = error
    if result is not True:
        print(repr(result), "--", condition)
"""
    check(mode, tmp_path, script, "")


def test_imports(mode: str, tmp_path: Path) -> None:
    statements = STATEMENTS.replace("g4f", "g4f_legacy" if mode == "plain" else "g4f").strip().splitlines()
    script = f"""
for statement in {statements!r}:
    try:
        exec(statement, {{}})
    except Exception as error:
        print(repr(error), "--", statement)
"""
    check(mode, tmp_path, script, "")


def test_modules_that_are_missing(mode: str, tmp_path: Path) -> None:
    statements = MISSING + MISSING_UNDER_RUN if mode == "run" else MISSING.replace("g4f", "g4f_legacy")
    script = f"""
import re
for statement in {[line for line in statements.splitlines() if line]!r}:
    try:
        exec(statement, {{}})
    except ImportError as error:
        if re.fullmatch("No module named '[^']*'|cannot import name .*", str(error)):
            print(error, "--", statement)
    else:
        print("no error", statement)
"""
    check(mode, tmp_path, script, "")


def test_attributes_that_are_missing(mode: str, tmp_path: Path) -> None:
    script = """
import g4f
for name in ("npm", "selenium", "unfinished", "webdriver"):
    try:
        getattr(g4f.Provider, name)
    except AttributeError as error:
        attribute = str(error)
    try:
        exec(f"from g4f.Provider import {name}", {})
    except ImportError as error:
        print("g4f-legacy providers --all" in attribute, str(error) == attribute, error.name, hasattr(g4f, name))
"""
    names = ("npm", "selenium", "unfinished", "webdriver")
    check(mode, tmp_path, script, "".join(f"True True g4f.Provider.{name} False\n" for name in names))


def test_the_checks_can_fail(mode: str, tmp_path: Path) -> None:
    script = "import g4f\ng4f.Provider.Bing.url = g4f.models.gpt_4.name = 'x'\n"
    assert "Bing url is x" in run_script(mode, tmp_path, script + PROVIDERS, str(FACTS)).stdout
    assert "gpt_4 name is x" in run_script(mode, tmp_path, script + MODELS, str(FACTS)).stdout
