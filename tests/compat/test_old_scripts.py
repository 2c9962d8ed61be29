"""Scripts like those of 2023, run unchanged against a local server.

The numbers in their names rank what scripts use by its frequency.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest

from g4f_legacy.server import create_app, serve_in_background

ASK = 'messages=[{"role": "user", "content": "Hello there"}]'

# Each script, and what it prints. The server repeats the last user message, word by word.
SCRIPTS: Dict[str, Tuple[str, str]] = {
    "1: create, by position": (
        """
import g4f
print(g4f.ChatCompletion.create("gpt-3.5-turbo", [{"role": "user", "content": "Hello"}], g4f.Provider.DeepAi, False))
print(g4f.ChatCompletion.create("gpt-4", [{"role": "user", "content": "a b"}], g4f.Provider.Bing, False, "cookies"))
""",
        "Hello\na b\n",
    ),
    "1: create, by keyword, within try": (
        f"""
import g4f
try:
    response = g4f.ChatCompletion.create(model="gpt-4", provider=g4f.Provider.Forefront, {ASK})
except Exception as e:
    print("error", e)
else:
    print(response)
""",
        "Hello there\n",
    ),
    "2: a stream in a for loop, printed and added up": (
        f"""
import g4f
response = g4f.ChatCompletion.create(model="gpt-3.5-turbo", provider=g4f.Provider.Ails, {ASK}, stream=True)
text = ""
for message in response:
    text += message
    print(message, end="|", flush=True)
print(text)
""",
        "Hello| there|Hello there\n",
    ),
    "2: a stream re-yielded, joined, and one token of it": (
        f"""
import g4f
def stream():
    for token in g4f.ChatCompletion.create(model="gpt-4", {ASK}, stream=True):
        yield token
print(list(stream()))
print("".join(g4f.ChatCompletion.create("gpt-4", [{{"role": "user", "content": "a b"}}], stream=True)))
print(next(g4f.ChatCompletion.create("gpt-4", {ASK}, stream=True)))
""",
        "['Hello', ' there']\na b\nHello\n",
    ),
    "3: no provider: every model has a default route": (
        """
import g4f
for model in ["gpt-3.5-turbo", "gpt-4", "falcon-40b", "palm", "claude-v2", "gpt-4-32k", "", None]:
    print(g4f.ChatCompletion.create(model, [{"role": "user", "content": f"<{model}>"}]), end=" ")
""",
        "<gpt-3.5-turbo> <gpt-4> <falcon-40b> <palm> <claude-v2> <gpt-4-32k> <> <None> ",
    ),
    "4: models as attributes": (
        f"""
import g4f
from g4f.models import gpt_35_turbo
for model in (g4f.models.gpt_4, g4f.models.default, g4f.models.gpt_35_long, gpt_35_turbo, g4f.Model.gpt_35_turbo):
    print(model.name, "|", g4f.ChatCompletion.create(model=model, {ASK}))
""",
        "gpt-4 | Hello there\n | Hello there\n" + 3 * "gpt-3.5-turbo | Hello there\n",
    ),
    "4: a Model that the script creates": (
        f"""
import g4f
model = g4f.Model(name="gpt-4", base_provider="openai", best_provider=g4f.Provider.Bing)
print(g4f.ChatCompletion.create(model, {ASK}), g4f.Model("x", "y", None).base_provider)
""",
        "Hello there y\n",
    ),
    "4: a provider's list of models": (
        f"""
import g4f
print(g4f.ChatCompletion.create(model=g4f.Provider.Bing.model, provider=g4f.Provider.Bing, {ASK}))
print(g4f.ChatCompletion.create(model=g4f.Provider.AiAsk.model, provider=g4f.Provider.AiAsk, {ASK}))
""",
        "Hello there\nHello there\n",
    ),
    "5: the first example: params of a placeholder": (
        f"""
import g4f

print(g4f.Provider.Ails.params)

# Automatic selection of provider
response = g4f.ChatCompletion.create(model='gpt-3.5-turbo', {ASK}, stream=True)
for message in response:
    print(message)

# Set with provider
response = g4f.ChatCompletion.create(model='gpt-3.5-turbo', provider=g4f.Provider.DeepAi, {ASK}, stream=True)
for message in response:
    print(message)
""",
        "g4f.Providers.Ails supports: (model: str, messages: list, stream: bool, temperature: float)\n"
        + 2 * "Hello\n there\n",
    ),
    "5: switches that do no harm": (
        f"""
import g4f
g4f.check_version = False
g4f.debug.version_check = False
print(isinstance(g4f.version, str), bool(g4f.version))
print(g4f.ChatCompletion.create("gpt-4", {ASK}))
""",
        "True True\nHello there\n",
    ),
    "5: logging": (
        f"""
import g4f
g4f.logging = True
print(g4f.ChatCompletion.create("gpt-4", {ASK}))
g4f.logging = False
print(g4f.ChatCompletion.create("gpt-4", {ASK}))
""",
        "Using OpenAI provider\nHello there\nHello there\n",
    ),
    "5: debug.logging": (
        f"""
import g4f, g4f.debug
g4f.debug.logging = True
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=g4f.Provider.Bing))
""",
        "Using OpenAI provider\nHello there\n",
    ),
    "6: the answer is a str": (
        f"""
import g4f
import re
answer = g4f.ChatCompletion.create("gpt-4", {ASK})
print(type(answer) is str, re.findall("[Ht]h?e", answer), answer.split(), answer[:5], "".join(c for c in answer))
""",
        "True ['He', 'the'] ['Hello', 'there'] Hello Hello there\n",
    ),
    "7: providers in turn, by name, with a map": (
        f"""
import g4f
providers = [g4f.Provider.Bing, g4f.Provider.You, g4f.Provider.H2o]
by_name = {{provider.__name__.split(".")[-1]: provider for provider in providers}}
for name, provider in by_name.items():
    try:
        print(name, g4f.ChatCompletion.create(model="gpt-4", provider=provider, {ASK}))
    except Exception as e:
        print(name, "failed", e)
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider="Bing"))
""",
        "Bing Hello there\nYou Hello there\nH2o Hello there\nHello there\n",
    ),
    "7: a history that grows": (
        """
import g4f
history = [{"role": "System", "content": "Be brief."}]
for text in ("one", "two", "three"):
    history.append({"role": "user", "content": text})
    answer = g4f.ChatCompletion.create(model="gpt-4", messages=history, provider=g4f.Provider.GetGpt)
    history.append({"role": "assistant", "content": answer})
print([message["content"] for message in history])
""",
        "['Be brief.', 'one', 'one', 'two', 'two', 'three', 'three']\n",
    ),
    "8: every way to import": (
        f"""
import g4f.Provider
from g4f import ChatCompletion, Provider, models
from g4f.Provider import Bing, Ails
from g4f.Provider.Providers import H2o
from g4f.Provider.Providers import You
from g4f.Provider.deprecated import AiService
from g4f.Provider.needs_auth import Bard, Poe
from g4f.typing import Messages, CreateResult, AsyncResult, sha256
from g4f.Provider.helper import format_prompt, get_cookies
from g4f.Provider.base_provider import BaseProvider, AsyncGeneratorProvider
from g4f.Provider.retry_provider import RetryProvider
from g4f.errors import ProviderNotFoundError, RetryProviderError, ModelNotAllowed
print(ChatCompletion.create(models.gpt_4, {ASK}, provider=Bing))
print(You is Provider.You, H2o is g4f.Provider.H2o, g4f.provider is Provider)
print(format_prompt([{{"role": "user", "content": "x"}}]))
""",
        "Hello there\nTrue True True\nuser: x\nassistant:\n",
    ),
    "9: introspection": (
        """
import inspect
import g4f
names = dir(g4f.Provider)
print(len(names) >= 88, {"Bing", "H2o", "opchatgpts", "Palm"} < set(names), g4f.Provider.__all__[0])
providers = [getattr(g4f.Provider, name) for name in g4f.Provider.__all__[1:]]
print(len(providers) - 3 == len(g4f.Provider.__providers__) == len(g4f.Provider.__map__) == len(names) - 2)
print(all(isinstance(provider.working, bool) and isinstance(provider.model, list) for provider in providers))
print(all(inspect.ismodule(provider) for _, provider in inspect.getmembers(g4f.Provider)))
names = [provider.__name__ for provider in providers]
print("Bing" in names, all(getattr(g4f.Provider, name) is p for name, p in zip(names, providers)))
bing = g4f.Provider.__map__["Bing"]
print(bing.url, bing.model, bing.needs_auth, bing.working, bing.supports_stream)
print(bing.supports_gpt_35_turbo, bing.supports_gpt_4)
print("Echo" in [p.__name__.split(".")[-1] for p in g4f.Provider.__providers__ if p.working and p.supports_stream])
""",
        "True True BaseProvider\nTrue\nTrue\nTrue\nTrue True\n"
        "https://bing.com/chat ['gpt-4'] False True True\nFalse True\n"
        "True\n",
    ),
    "9: providers that work": (
        f"""
import g4f
chosen = [provider for provider in g4f.Provider.__providers__ if provider.working and not provider.needs_auth]
print({{"Bing", "Echo", "H2o", "You"}} <= {{provider.__name__ for provider in chosen}})
chosen = [name for name in dir(g4f.Provider) if getattr(g4f.Provider, name).working]
print({{"Bing", "Echo", "H2o", "You"}} <= set(chosen), "Provider" in chosen, "Providers" in chosen)
for name in ("Bing", "H2o"):
    print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=getattr(g4f.Provider, name)))
""",
        "True\nTrue False False\nHello there\nHello there\n",
    ),
    "9: names that are stored, and looked up later": (
        f"""
import g4f
settings = {{"provider": g4f.Provider.H2o.__name__, "fallback": g4f.Provider.Bing.__name__}}
print(settings)
for name in settings.values():
    print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=getattr(g4f.Provider, name)))
by_name = {{provider.__name__: provider for provider in g4f.Provider.__providers__}}
print(by_name["H2o"] is g4f.Provider.H2o, by_name["Bing"] is g4f.Provider.Bing)
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=by_name["OpenAssistant"]))
""",
        "{'provider': 'H2o', 'fallback': 'Bing'}\nHello there\nHello there\nTrue True\nHello there\n",
    ),
    "9: a star import, and every name in a list": (
        f"""
import g4f
from g4f.Provider import *
names = g4f.Provider.__all__[1:]
print(isinstance(Bing, BaseProvider), issubclass(RetryProvider, BaseProvider), "AsyncProvider" in names)
providers = [getattr(g4f.Provider, name) for name in names]
table = [(p.__name__, p.url, p.model, p.working, p.supports_stream, p.supports_gpt_35_turbo, p.supports_gpt_4,
          p.needs_auth, p.params) for p in providers]
print(len(table) == len(names), all(isinstance(name, str) and isinstance(url, str) for name, url, *_ in table))
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=Bing))
""",
        "True True True\nTrue True\nHello there\n",
    ),
    "9: whatever is in the package, in June": (
        """
import inspect
import g4f
for name, member in inspect.getmembers(g4f.Provider, inspect.ismodule):
    facts = (name, member.__name__, member.url, member.model, member.supports_stream, member.needs_auth)
    if name in ("Openai", "Provider", "Providers"):
        print(name, repr(member.url), member.model)
print(g4f.Model.model.gpt_4.name, g4f.Model.__all__()[:2], len(g4f.Provider.__modules__) == len(dir(g4f.Provider)))
""",
        "Openai '' []\nProvider '' []\nProviders '' []\ngpt-4 ['gpt-3.5-turbo', 'gpt-4'] True\n",
    ),
    "10: asynchronous": (
        f"""
import asyncio
import g4f
async def main():
    print(await g4f.ChatCompletion.create_async(model="gpt-4", {ASK}))
    print(await g4f.Provider.Bing.create_async(model="gpt-4", {ASK}))
    def ask(n):
        return g4f.ChatCompletion.create_async("gpt-4", [{{"role": "user", "content": str(n)}}], g4f.Provider.You)
    answers = await asyncio.gather(*[ask(n) for n in range(9)])
    print(answers)
    async for token in g4f.Provider.Bing.create_async_generator("gpt-4", {ASK}):
        print(token)
asyncio.run(main())
""",
        "Hello there\nHello there\n" + repr([str(n) for n in range(9)]) + "\nHello\n there\n",
    ),
    "10: an asynchronous generator that is awaited": (
        f"""
import asyncio
import g4f
async def main():
    generator = await g4f.Provider.Bing.create_async_generator("gpt-4", {ASK})
    async for token in generator:
        print(token)
    messages = [{{"role": "user", "content": "Hello there"}}]
    async for token in g4f.Provider.H2o.create_async_generator("falcon-40b", messages, None):
        print(token)
    generator = g4f.Provider.You.create_async_generator(model="gpt-4", {ASK}, proxy=None, timeout=30)
    print(await generator.__anext__())
    await generator.aclose()
    print(await g4f.Provider.Bing.create_async("gpt-4", {ASK}, proxy=None))
asyncio.run(main())
""",
        2 * "Hello\n there\n" + "Hello\nHello there\n",
    ),
    "10: providers of the script's own": (
        f"""
import asyncio
import g4f
from g4f import AsyncGeneratorProvider
from g4f.Provider import AsyncProvider
class Counting(AsyncGeneratorProvider):
    url = "https://example.com"
    working = supports_stream = True
    @classmethod
    async def create_async_generator(cls, model, messages, **kwargs):
        for word in ("one", " two"):
            yield word
class Shouting(AsyncProvider):
    working = True
    @classmethod
    async def create_async(cls, model, messages, **kwargs):
        return messages[-1]["content"].upper()
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=Counting))
print(list(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=Counting, stream=True)))
print(list(Counting.create_completion("gpt-4", {ASK}, stream=True)))
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=Shouting))
async def main():
    print(await Counting.create_async("gpt-4", {ASK}), await Shouting.create_async("gpt-4", {ASK}))
    print(await g4f.ChatCompletion.create_async("gpt-4", {ASK}, provider=Shouting))
asyncio.run(main())
""",
        "one two\n" + 2 * "['one', ' two']\n" + "HELLO THERE\none two HELLO THERE\nHELLO THERE\n",
    ),
    "10: Messages, and a list of models as the model": (
        """
import g4f
messages = g4f.Messages([{"role": "user", "content": "Hello there"}])
print(g4f.ChatCompletion.create(g4f.Provider.H2o.model, messages, g4f.Provider.H2o))
print("".join(g4f.Provider.H2o._create_completion(g4f.Provider.H2o.model, messages, stream=True)))
""",
        "Hello there\nHello there\n",
    ),
    "10: _create_completion of a provider whose public server is gone": (
        f"""
import inspect
import g4f
print(inspect.signature(g4f.Provider.H2o._create_completion).parameters.keys())
for provider in (g4f.Provider.H2o, g4f.Provider.OpenAssistant, g4f.Provider.HuggingChat, g4f.Provider.Provider):
    print(list(provider._create_completion("falcon-40b", {ASK}, stream=True)))
print("".join(g4f.Provider.H2o._create_completion(model="falcon-40b", {ASK}, stream=False, temperature=0.5)))
""",
        "odict_keys(['model', 'messages', 'stream', 'kwargs'])\n" + 4 * "['Hello', ' there']\n" + "Hello there\n",
    ),
    "10: Completion": (
        """
import g4f
print(g4f.Completion.create("text-davinci-003", "Say hello", g4f.Provider.Vercel))
print(list(g4f.Completion.create(model="code-davinci-002", prompt="Say hello", stream=True)))
""",
        "Say hello\n['Say', ' hello']\n",
    ),
    "10: convert": (
        """
import g4f
print(g4f.ModelUtils.convert["gpt-4"].name, g4f.models.ModelUtils.convert["bard"].base_provider)
print(g4f.ProviderUtils.convert["Bing"] is g4f.Provider.Bing, "H2o" in g4f.Provider.ProviderUtils.convert)
print(g4f.get_model_and_provider("gpt-4", g4f.Provider.Bing, False)[0] == "")
""",
        "gpt-4 google\nTrue True\nTrue\n",
    ),
    "10: RetryProvider": (
        f"""
import g4f
from g4f import RetryProvider
tried = [g4f.Provider.Bing, g4f.Provider.You]
provider = RetryProvider(tried, shuffle=True)
print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=provider), len(tried))
print(list(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=provider, stream=True)))
""",
        "Hello there 2\n['Hello', ' there']\n",
    ),
    "10: create_completion, called directly": (
        f"""
import g4f
print("".join(g4f.Provider.Bing.create_completion("gpt-4", {ASK}, stream=True)))
print("".join(g4f.Provider.Ails._create_completion(model="gpt-4", {ASK}, stream=False)))
""",
        "Hello there\nHello there\n",
    ),
    "11: kwargs of other services": (
        f"""
import g4f
for auth in (True, "cookies", "token", "jwt", "a-token-of-another-service"):
    print(g4f.ChatCompletion.create("gpt-4", {ASK}, provider=g4f.Provider.Bing, auth=auth), end=" ")
print(g4f.ChatCompletion.create(
    model="gpt-4", {ASK}, provider=g4f.Provider.Bard, temperature=0.5, top_p=1, max_tokens=99, n=1, stop=["x"],
    presence_penalty=0, proxy="http://127.0.0.1:1", timeout=120, access_token="ey", cookies={{"a": "b"}}, chatId="5",
    jailbreak=True, ignored=["Bing"], conversation=None, headers={{"X-Key": "secret"}}, session=object(),
))
""",
        "Hello there " * 5 + "Hello there\n",
    ),
    "a web proxy in OpenAI's style": (
        """
import json, threading, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from g4f import ChatCompletion

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        for chunk in ChatCompletion.create(model=asked["model"], messages=asked["messages"], stream=True):
            delta = {"choices": [{"delta": {"content": chunk}}]}
            self.wfile.write(("data: %s\\n\\n" % json.dumps(delta)).encode())
    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
body = json.dumps({"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Hello there"}]}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open("http://127.0.0.1:%d/" % server.server_port, body).read().decode().strip())
server.shutdown()
server.server_close()
""",
        'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\n'
        'data: {"choices": [{"delta": {"content": " there"}}]}\n',
    ),
    "a bot calls create() inside a running loop": (
        f"""
import asyncio
import g4f
async def on_message(text):
    return g4f.ChatCompletion.create(model="gpt-4", messages=[{{"role": "user", "content": text}}])
async def main():
    print(await on_message("one"), await on_message("two"))
    loop = asyncio.get_running_loop()
    print(await loop.run_in_executor(None, lambda: g4f.ChatCompletion.create("gpt-4", {ASK})))
asyncio.run(main())
""",
        "one two\nHello there\n",
    ),
    "threads": (
        """
import threading
import g4f
answers = {}
def ask(number):
    messages = [{"role": "user", "content": str(number)}]
    answers[number] = g4f.ChatCompletion.create("gpt-4", messages, g4f.Provider.Bing)
threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(all(answers[number] == str(number) for number in range(20)))
""",
        "True\n",
    ),
    "trap: both spellings, and Palm is Bard": (
        """
import g4f
for name in "DFEHub DfeHub opchatgpts Opchatgpts Myshell MyShell PI Pi Hugchat HuggingChat".split():
    print(getattr(g4f.Provider, name).__name__.split(".")[-1], end=" ")
print(g4f.Provider.Palm is g4f.Provider.Bard)
""",
        "DFEHub DfeHub opchatgpts Opchatgpts Myshell MyShell PI Pi Hugchat HuggingChat True\n",
    ),
    "trap: the caller's list is not changed": (
        """
import g4f
from g4f.Provider.helper import format_prompt
messages = [{"role": "user", "content": "one"}]
format_prompt(messages)
list(g4f.ChatCompletion.create("gpt-4", messages, stream=True))
print(messages)
""",
        "[{'role': 'user', 'content': 'one'}]\n",
    ),
    "trap: a stream is lazy, its arguments are not": (
        """
import g4f
try:
    g4f.ChatCompletion.create("gpt-4", "not a list", stream=True)
except TypeError as error:
    print("at the call")
""",
        "at the call\n",
    ),
    "trap: a failure raises: nothing exits, and nothing returns it as an answer": (
        f"""
import g4f
dead = dict(provider=g4f.Provider.OpenAI, base_url="http://127.0.0.1:1", retries=0)
try:
    print(g4f.ChatCompletion.create("gpt-4", {ASK}, **dead))
except Exception as error:
    print(type(error).__name__)
stream = g4f.ChatCompletion.create("gpt-4", {ASK}, stream=True, **dead)
print("nothing was sent at the call")
try:
    next(stream)
except Exception as error:
    print(type(error).__name__)
""",
        "RequestFailedError\nnothing was sent at the call\nRequestFailedError\n",
    ),
    "trap: nothing calls home": (
        f"""
import socket
def refuse(*_):
    raise SystemExit("something was sent")
socket.socket.connect = socket.getaddrinfo = refuse
import g4f
g4f.check_version = g4f.debug.version_check = g4f.version_check = True
print(g4f.version != "", len(dir(g4f.Provider)) > 88, len(g4f.Provider.__providers__) > 88)
print(g4f.ChatCompletion.create("", {ASK}, provider=g4f.Provider.Echo))
""",
        "True True True\nHello there\n",
    ),
    "trap: providers are modules and instances": (
        """
import inspect, pickle
import g4f
from g4f import BaseProvider, AsyncGeneratorProvider
from g4f.Provider import AsyncProvider
for provider in (g4f.Provider.H2o, g4f.Provider.Bing):
    print(inspect.ismodule(provider), isinstance(provider, BaseProvider), issubclass(provider, AsyncGeneratorProvider),
          isinstance(provider, AsyncProvider), pickle.loads(pickle.dumps(provider)) is provider, len({provider}))
print(isinstance("Bing", BaseProvider), issubclass(str, BaseProvider))
""",
        2 * "True True True True True 1\n" + "False False\n",
    ),
    "trap: g4f.Providers.H2o is the text of params": (
        "import g4f\nprint(g4f.Provider.H2o.params)",
        "g4f.Providers.H2o supports: (model: str, messages: list, stream: bool)\n",
    ),
    "names at the top": (
        """
import g4f
for name in '''ChatCompletion Completion Provider Model ModelUtils models BaseProvider AsyncGeneratorProvider
    RetryProvider ProviderUtils Messages CreateResult AsyncResult get_model_and_provider debug logging version
    check_version version_check typing errors'''.split():
    getattr(g4f, name)
for name in '''BaseProvider AsyncProvider AsyncGeneratorProvider RetryProvider ProviderUtils __all__ __providers__
    __map__ base_provider helper Providers deprecated needs_auth retry_provider'''.split():
    getattr(g4f.Provider, name)
for name in '''ProviderNotFoundError ProviderNotWorkingError StreamNotSupportedError AuthenticationRequiredError
    ModelNotFoundError ModelNotAllowed RetryProviderError RetryNoProviderError VersionNotFoundError
    NestAsyncioError'''.split():
    assert issubclass(getattr(g4f.errors, name), Exception)
print("all")
""",
        "all\n",
    ),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_in_background(create_app("Echo"), threads=32) as url:
        yield url


def python(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, *arguments]
    pipe = subprocess.PIPE
    return subprocess.run(command, cwd=cwd, env=environment, timeout=60, stdout=pipe, stderr=pipe, encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_unchanged(name: str, url: str, tmp_path: Path) -> None:
    script, printed = SCRIPTS[name]
    (tmp_path / "script.py").write_text(script, "utf-8")
    to = ["--to", "OpenAI", "--base-url", url]
    done = python("-W", "error", "-m", "g4f_legacy", "run", *to, "script.py", cwd=tmp_path)
    assert (done.stderr, done.stdout, done.returncode) == ("", printed, 0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_with_this_package_imported_as_g4f(name: str, url: str, tmp_path: Path) -> None:
    script, printed = SCRIPTS[name]
    lines = []
    for line in script.splitlines():
        line = re.sub(r"^from g4f\b", "from g4f_legacy", line)
        line = re.sub(r"^import g4f$", "import g4f_legacy as g4f", line)
        line = re.sub(r"^import g4f, g4f.debug$", "import g4f_legacy as g4f, g4f_legacy.debug", line)
        lines.append(re.sub(r"^import g4f\.(.*)$", r"import g4f_legacy as g4f, g4f_legacy.\1", line))
    script = "\n".join(lines)
    (tmp_path / "script.py").write_text(script, "utf-8")
    configured = {"G4F_LEGACY_REDIRECT": "OpenAI", "OPENAI_BASE_URL": url}
    done = python("-W", "error", "script.py", cwd=tmp_path, **configured)
    assert (done.stderr, done.stdout, done.returncode) == ("", printed, 0)
