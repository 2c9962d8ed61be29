"""Scripts in the style of g4f's own examples of June, August, October and December 2023, in new words."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from g4f_legacy.server import create_app, serve_in_background


class Example(NamedTuple):
    """A script, and what it prints if the completions repeat the prompt. `using` stands for the target's name."""

    script: str
    printed: str
    warned: str = ""


JUNE = Example(
    """
import g4f

print(g4f.Provider.Ails.params)  # what the provider takes

# Any provider, as a stream
answer = g4f.ChatCompletion.create(model="gpt-3.5-turbo", messages=[
    {"role": "user", "content": "Tell me a story"}], stream=True)
for token in answer:
    print(token, end="", flush=True)
print()

# A certain provider
answer = g4f.ChatCompletion.create(model=g4f.Model.gpt_4, messages=[
    {"role": "user", "content": "Tell me more"}], provider=g4f.Provider.Forefront)
print(answer)

# The same in other spellings
providers = [g4f.provider.Bing, g4f.Provider.Providers.Theb, g4f.Provider.H2o, g4f.Provider.Openai]
for provider in providers:
    print(provider.__name__.split(".")[-1], provider.url, type(provider.model) is list, end=": ")
    print("".join(g4f.ChatCompletion.create(model=g4f.Model.falcon_40b, provider=provider, stream=True,
                                            messages=[{"role": "user", "content": "Hello there"}])))
""",
    """\
g4f.Providers.Ails supports: (model: str, messages: list, stream: bool, temperature: float)
Tell me a story
Tell me more
Bing https://bing.com/chat True: Hello there
Theb https://beta.theb.ai True: Hello there
H2o https://gpt-gm.h2o.ai True: Hello there
Openai  True: Hello there
""",
)

AUGUST = Example(
    """
import g4f
from g4f.Provider import Ails, Bing, DeepAi, Yqcloud

g4f.check_version = False
print(type(g4f.version) is str)
print(Bing.params)

ask = [{"role": "user", "content": "Hello there"}]

story = g4f.ChatCompletion.create(model="gpt-3.5-turbo", provider=g4f.Provider.DeepAi, messages=ask, stream=True)
for message in story:
    print(message, flush=True, end="|")
print()

response = g4f.ChatCompletion.create(model=g4f.models.gpt_4, messages=ask)
print(response.upper())
print(g4f.ChatCompletion.create(model=g4f.models.default, messages=ask, provider=Bing, auth=True))

# A loop over providers, as a test of them all
for provider in (Ails, Yqcloud, g4f.Provider.Raycast, g4f.Provider.OpenAssistant):
    if not provider.working:
        continue
    stream = provider.supports_stream
    login = provider.needs_auth
    model = g4f.models.gpt_35_turbo.name
    result = g4f.ChatCompletion.create(model=model, messages=ask, provider=provider, stream=stream)
    print(provider.__name__, stream, login, "".join(result))

g4f.logging = True
try:
    g4f.ChatCompletion.create(model="gpt-4", messages=ask, provider=g4f.Provider.Aichat, stream=True)
except Exception as error:
    print(type(error).__name__)
print(g4f.ChatCompletion.create(model="gpt-4", messages=ask, provider=g4f.Provider.Aichat))
""",
    """\
True
g4f.Providers.Bing supports: (model: str, messages: list, stream: bool)
Hello| there|
HELLO THERE
Hello there
Ails True False Hello there
Yqcloud True False Hello there
Raycast True True Hello there
OpenAssistant True True Hello there
Using {target} provider
Using {target} provider
Hello there
""",
)

OCTOBER = Example(
    """
import asyncio
import g4f
from g4f import Provider
from g4f.Provider import AsyncProvider

ask = [{"role": "user", "content": "Hello there"}]

print(g4f.Completion.create(model="text-davinci-003", prompt="say this is a test"))
print([model in g4f.models._all_models for model in ("gpt-3.5-turbo", "gpt-4", "palm")])

print(g4f.ChatCompletion.create(
    model=g4f.models.gpt_4, messages=ask, provider=g4f.Provider.Bing,
    cookies={"_U": "a", "KievRPSSecAuth": "b"}, auth=True, proxy="http://127.0.0.1:9", timeout=120,
))

_providers = [Provider.Aichat, Provider.ChatBase, Provider.Bing, Provider.GptGo, Provider.You, Provider.H2o]

async def run_provider(provider):
    try:
        response = await g4f.ChatCompletion.create_async(model=g4f.models.default.name, messages=ask, provider=provider)
        return f"{provider.__name__}: {response}"
    except Exception as error:
        return f"{provider.__name__}: {error!r}"

async def run_all():
    calls = [run_provider(provider) for provider in _providers]
    for line in await asyncio.gather(*calls):
        print(line)

asyncio.run(run_all())

chosen = [
    provider for provider in g4f.Provider.__providers__
    if provider.working and provider.supports_stream and not provider.needs_auth and provider.supports_gpt_35_turbo
]
print(len(chosen) > 20, all(isinstance(provider, g4f.Provider.BaseProvider) for provider in chosen))
print({Provider.You, Provider.Vercel} <= set(chosen), issubclass(Provider.You, AsyncProvider))

async def stream():
    async for token in Provider.You.create_async_generator("gpt-3.5-turbo", ask, timeout=30):
        print(token, end="|")
    print(await Provider.Bing.create_async("gpt-4", ask, proxy=None))

asyncio.run(stream())
""",
    """\
say this is a test
[True, True, True]
Hello there
Aichat: Hello there
ChatBase: Hello there
Bing: Hello there
GptGo: Hello there
You: Hello there
H2o: Hello there
True True
True True
Hello| there|Hello there
""",
)

DECEMBER = Example(
    """
import asyncio, json, socket, threading, time, urllib.request
import g4f
from g4f import AsyncResult, Messages
from g4f.api import Api
from g4f.errors import ProviderNotFoundError, RetryProviderError
from g4f.Provider import AsyncGeneratorProvider, RetryProvider

g4f.debug.logging = True
g4f.debug.version_check = False
ask: Messages = [{"role": "user", "content": "Hello there"}]

provider = RetryProvider([g4f.Provider.Phind, g4f.Provider.FreeGpt, g4f.Provider.Liaobots], shuffle=False)
print(g4f.ChatCompletion.create(model="", messages=ask, provider=g4f.Provider.Liaobots))
g4f.debug.logging = False
print(g4f.ChatCompletion.create(model=g4f.models.default, messages=ask, provider=provider))
print(list(g4f.ChatCompletion.create(model="gpt-4", messages=ask, provider=provider, stream=True)))

try:
    g4f.ChatCompletion.create(model="gpt-4", messages=ask, provider="NoSuchProvider")
except ProviderNotFoundError as error:
    print(type(error).__name__)

class Failing(AsyncGeneratorProvider):
    working = True
    @classmethod
    async def create_async_generator(cls, model: str, messages: Messages, **kwargs) -> AsyncResult:
        raise RuntimeError("down")
        yield ""

try:
    g4f.ChatCompletion.create(model="gpt-4", messages=ask, provider=RetryProvider([Failing]))
except RetryProviderError as error:
    print("down" in str(error))

async def main():
    print(await g4f.ChatCompletion.create_async(model="gpt-4", messages=ask, provider=g4f.Provider.GeekGpt))
    tokens = g4f.ChatCompletion.create_async(model="gpt-4", messages=ask, stream=True)
    async for token in tokens:
        print(token, end="|")
    print()

asyncio.run(main())

with socket.create_server(("127.0.0.1", 0)) as listener:
    port = listener.getsockname()[1]
api = Api(engine=g4f, debug=True, sentry=False, list_ignored_providers=None)
threading.Thread(target=api.run, args=(f"127.0.0.1:{port}",), daemon=True).start()
body = json.dumps({"model": "gpt-3.5-turbo", "messages": ask, "stream": False}).encode()
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/v1/chat/completions", body, {"Content-Type": "application/json"})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for _ in range(100):
    try:
        print(json.load(opener.open(request))["choices"][0]["message"]["content"])
        break
    except urllib.error.URLError:
        time.sleep(0.1)
""",
    """\
Using {target} provider
Hello there
Hello there
['Hello', ' there']
ProviderNotFoundError
True
Hello there
Hello| there|
Hello there
""",
    "{target} answers at http://127.0.0.1:",
)

EXAMPLES = {"June": JUNE, "August": AUGUST, "October": OCTOBER, "December": DECEMBER}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_in_background(create_app("Echo"), threads=16) as url:
        yield url


@pytest.mark.parametrize("month", EXAMPLES)
@pytest.mark.parametrize("target", ["Echo", "OpenAI"])
def test_example(month: str, target: str, url: str, tmp_path: Path) -> None:
    script, printed, warned = EXAMPLES[month]
    (tmp_path / "script.py").write_text(script, "utf-8")
    to = ["--to", target, *(["--base-url", url] if target == "OpenAI" else [])]
    command = [sys.executable, "-W", "error", "-m", "g4f_legacy", "run", *to, "script.py"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, capture_output=True, encoding="utf-8")
    assert (done.stdout, done.returncode) == (printed.replace("{target}", target), 0), done.stderr
    lines = done.stderr.splitlines()  # the server's thread may not get to its line before the script ends
    assert not lines or len(lines) == 1 and warned and lines[0].startswith(warned.replace("{target}", target))
