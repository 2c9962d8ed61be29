import inspect
import json
import logging
import os
import pickle
import socket
from typing import Any, Dict, List

import pytest
from replay import exchange, load
from scripted_provider import scripted_provider

from g4f_legacy import ChatCompletion, Provider, models, redirect, registry
from g4f_legacy.compat import redirects
from g4f_legacy.errors import (
    AuthenticationRequiredError,
    ModelNotFoundError,
    ProviderNotFoundError,
    ProviderNotWorkingError,
    RequestFailedError,
)
from g4f_legacy.tokens import TokenStream

HELLO: List[Dict[str, str]] = [{"role": "user", "content": "Hello"}]
PATH = "/v1/chat/completions"


def completions(count: int = 1) -> List[Dict[str, Any]]:
    body = json.dumps({"choices": [{"message": {"content": "Hi"}}]})
    return [exchange("POST", PATH, 200, (body,), content_length="?") for _ in range(count)]


@pytest.fixture
def target(play: Any) -> Any:
    """Return a server that completes one call."""
    return play(completions())


class TestRedirectedCalls:
    @pytest.mark.parametrize("provider", ["Bing", Provider.Bing, "H2o", Provider.OpenAssistant, "HuggingChat", None])
    @pytest.mark.parametrize("model", ["gpt-4", "falcon-40b", "", None, "unknown", models.gpt_4, models.gpt_4_32k])
    def test_calls_to_unavailable_providers(self, model: Any, provider: Any, target: Any) -> None:
        redirect("OpenAI", "mine", base_url=target.url + "/v1")
        assert ChatCompletion.create(model, HELLO, provider) == "Hi"
        assert target.sent[0].json == {"model": "mine", "messages": HELLO, "stream": False}

    def test_not_calls_to_available_providers(self, target: Any) -> None:
        redirect("OpenAI", "mine", base_url=target.url + "/v1")
        assert ChatCompletion.create("", HELLO, "Echo") == "Hello"
        assert ChatCompletion.create("", HELLO, scripted_provider("a")) == "a"
        assert target.sent == []

    @pytest.mark.parametrize("how", ["option", "environment", "module"])
    @pytest.mark.parametrize("provider", ["H2o", None])
    def test_not_calls_to_a_provider_with_a_server(
        self, provider: Any, how: str, play: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        redirect("Echo")
        server = play([exchange("GET", "/", 418, content_length="0")])
        options = {"base_url": server.url} if how == "option" else {}
        if how == "environment":
            monkeypatch.setenv("G4F_LEGACY_H2O_URL", server.url)
        elif how == "module":
            monkeypatch.setattr(Provider.H2o, "url", server.url)
        with pytest.raises(Exception, match="418"):
            ChatCompletion.create("falcon-40b", HELLO, provider, **options)

    def test_calls_to_hugging_chat_with_credentials(self, responses: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        responses.post("https://huggingface.co/chat/conversation", status=418)
        given: Any
        for given in ({"auth": "s3ss1on"}, {"cookies": {"hf-chat": "s3ss1on"}}, {"auth": "cookies"}):
            with redirect("Echo"):
                assert ChatCompletion.create("x", HELLO, "HuggingChat", **given) == "Hello"
                assert list(Provider.HuggingChat._create_completion("x", HELLO, True, **given)) == ["Hello"]
                assert ChatCompletion.create(models.mistral_7b, HELLO, **given) == "Hello"
        assert len(responses.calls) == 0
        with pytest.raises(Exception, match="418"):
            ChatCompletion.create("x", HELLO, "HuggingChat", auth="s3ss1on")
        redirect("Echo")
        monkeypatch.setenv("G4F_LEGACY_HUGGINGCHAT_AUTH", "s3ss1on")  # which no script of 2023 brings
        with pytest.raises(Exception, match="418"):
            ChatCompletion.create("x", HELLO, "HuggingChat")
        monkeypatch.delenv("G4F_LEGACY_HUGGINGCHAT_AUTH")
        wrong: Any = {"session": object(), "cookies": "a=b"}
        assert ChatCompletion.create("x", HELLO, "HuggingChat", **wrong) == "Hello"

    def test_direct_calls_accept_models_as_scripts_pass_them(self, play: Any) -> None:
        for model in (models.falcon_7b, ["falcon-7b"], "falcon-7b"):
            server = play(load("h2o/hello"))
            assert list(Provider.H2o.create_completion(model, HELLO, base_url=server.url))
            assert server.sent[2].json == {"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"}

    def test_not_calls_to_a_class_that_the_script_defines(self) -> None:
        class Mine:
            supports_stream = True

            @staticmethod
            def create_completion(model: str, messages: Any, stream: bool, **kwargs: Any) -> Any:
                yield from (model, str(kwargs))

        assert ChatCompletion.create("m", HELLO, Mine, key=5) == "m{'key': 5}"

    @pytest.mark.parametrize("method", ["create_completion", "_create_completion"])
    @pytest.mark.parametrize("name", ["Bing", "H2o", "HuggingChat", "OpenAssistant"])
    def test_direct_calls(self, name: str, method: str, target: Any) -> None:
        provider = getattr(Provider, name)
        redirect("OpenAI", base_url=target.url + "/v1", model="mine")
        kwargs = {"auth": "" if name == "HuggingChat" else "s3cr3t", "temperature": 0.5}
        assert list(getattr(provider, method)("gpt-4", HELLO, False, **kwargs)) == ["Hi"]
        assert target.sent[0].json == {"model": "mine", "messages": HELLO, "stream": False, "temperature": 0.5}
        assert "s3cr3t" not in str(target.sent[0].headers)

    def test_direct_calls_to_a_server_of_ones_own(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        redirect("Echo")
        server = play(2 * load("h2o/hello"))
        text = "".join(Provider.H2o._create_completion("falcon-7b", HELLO, True, base_url=server.url))
        assert text.startswith("Привет!")
        monkeypatch.setenv("G4F_LEGACY_H2O_URL", server.url)
        assert "".join(Provider.H2o._create_completion("falcon-7b", HELLO, True)) == text

    @pytest.mark.parametrize("model", [Provider.H2o.model, models.falcon_40b, "falcon-40b", ("falcon-40b", "x")])
    def test_direct_calls_accept_lists_of_models(self, model: Any, play: Any) -> None:
        assert Provider.H2o.model[0] == "falcon-40b"
        server = play(load("h2o/hello"))
        assert list(Provider.H2o._create_completion(model, HELLO, True, base_url=server.url))
        assert server.sent[2].json == {"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1"}

    def test_a_direct_call_returns_how_the_completion_ended(self) -> None:
        completion = TokenStream(Provider.Echo._create_completion("", HELLO, True, max_tokens=1))
        assert list(completion) == ["Hello"] and completion.finish_reason == "stop"

    def test_streams_of_placeholders_that_could_not_stream(self) -> None:
        redirect("Echo")
        assert list(ChatCompletion.create("", HELLO, Provider.Aichat, stream=True)) == ["Hello"]


class TestForwardedOptions:
    def test_generation_parameters_only(self, target: Any) -> None:
        redirect("OpenAI", "mine", base_url=target.url + "/v1")
        parameters = {"temperature": 0.5, "top_p": 1, "max_tokens": 9, "n": 1, "stop": ["x"], "presence_penalty": 0}
        ChatCompletion.create(
            "gpt-4",
            HELLO,
            Provider.Bard,
            auth="s3cr3t-of-another",
            access_token="s3cr3t-too",
            cookies={"sid": "s3cr3t"},
            headers={"X-Key": "s3cr3t"},
            proxy="http://s3cr3t@127.0.0.1:1",
            chatId="5",
            ignored=["Bing"],
            jailbreak=True,
            session=object(),
            conversation=object(),
            timeout=60,
            **parameters,
        )
        [sent] = target.sent
        assert sent.json == {"model": "mine", "messages": HELLO, "stream": False, **parameters}
        assert "s3cr3t" not in str(sent.headers)

    def test_the_options_of_the_target_have_precedence(self, target: Any) -> None:
        redirect("OpenAI", "mine", base_url=target.url + "/v1", auth="its-own-key", temperature=0)
        ChatCompletion.create("gpt-4", HELLO, "Bing", temperature=1, auth="another")
        assert target.sent[0].json["temperature"] == 0
        assert target.sent[0].headers["authorization"] == "Bearer its-own-key"

    def test_a_proxy_is_forwarded_to_public_servers_only(self) -> None:
        with redirect("OpenAI", auth="s3cr3t"):
            assert redirects.redirected_call("Bing", {"proxy": "localhost:1"}).options["proxy"] == "localhost:1"
        for base_url in ("http://127.0.0.1:1", "http://192.168.1.5:8000/v1"):
            with redirect("OpenAI", base_url=base_url):
                options = {"proxy": "localhost:1", "verify": False}
                assert redirects.redirected_call("Bing", options).options == {"base_url": base_url}

    @pytest.mark.parametrize("wrong", [{"timeout": "30"}, {"timeout": 0}, {"proxy": {"http": "x"}}, {"retries": "3"}])
    def test_options_that_cannot_be_used_are_left_out(self, wrong: Any) -> None:
        with redirect("OpenAI", auth="s3cr3t"):
            assert redirects.redirected_call("Bing", wrong).options == {"auth": "s3cr3t"}

    def test_credentials_of_a_placeholder_are_not_needed(self) -> None:
        redirect("Echo")
        assert Provider.Poe.needs_auth and ChatCompletion.create("", HELLO, Provider.Poe) == "Hello"

    def test_nothing_that_the_caller_passed_is_changed(self) -> None:
        redirect("Echo")
        kwargs = {"chatId": "5", "temperature": 1}
        ChatCompletion.create("", HELLO, Provider.Bing, **kwargs)
        assert kwargs == {"chatId": "5", "temperature": 1}


class TestTargets:
    def test_as_a_context_manager(self) -> None:
        redirect("Echo", "outer")
        with redirect("Echo", "inner") as target:
            assert redirects.current_target() is target and target.model == "inner"
        current = redirects.current_target()
        assert current and current.model == "outer"

    def test_blocks_that_end_in_another_order(self) -> None:
        first, second = redirect("Echo", "first"), redirect("Echo", "second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert redirects.current_target() is second
        second.__exit__(None, None, None)
        assert redirects.current_target() is None
        with first:
            assert redirects.current_target() is first
        assert redirects.current_target() is None

    def test_a_block_that_is_entered_later(self) -> None:
        late, other = redirect("Echo", "late"), redirect("Echo", "other")
        with late:
            assert redirects.current_target() is late
        assert redirects.current_target() is other

    def test_h2o_as_the_target(self, play: Any) -> None:
        server = play(load("h2o/hello"))
        with redirect("H2o", base_url=server.url):
            assert ChatCompletion.create("gpt-4", [{"role": "user", "content": "hello"}], "Bing").startswith("Привет!")

    def test_hugging_chat_as_the_target(self, play: Any) -> None:
        server = play(load("hugging_chat/models") + load("hugging_chat/hello"))
        with redirect("HuggingChat", base_url=server.url):
            assert ChatCompletion.create("gpt-4", [{"role": "user", "content": "hello"}], "Bing").startswith("Привет!")

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_REDIRECT", "Echo")
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_MODEL", "mine")
        assert ChatCompletion.create("gpt-4", HELLO) == "Hello"
        current = redirects.current_target()
        assert current and (current.provider, current.model) == (Provider.Echo, "mine")
        with redirect(None), pytest.raises(ProviderNotWorkingError):
            ChatCompletion.create("gpt-4", HELLO)

    @pytest.mark.parametrize(
        "provider, options, kind",
        [
            ("Nope", {}, ProviderNotFoundError),
            ("Bing", {}, ProviderNotWorkingError),
            ("H2o", {}, ProviderNotWorkingError),
            (5, {}, TypeError),
            ("OpenAI", {}, AuthenticationRequiredError),
            ("OpenAI", {"base_url": "ftp://x"}, ValueError),
            ("Echo", {"timeout": "soon"}, TypeError),
        ],
    )
    def test_wrong_arguments(self, provider: Any, options: Any, kind: Any) -> None:
        with pytest.raises(kind):
            redirect(provider, **options)
        assert redirects.current_target() is None

    def test_the_environment_holds_the_server_and_its_credentials(
        self, target: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("G4F_LEGACY_REDIRECT", "OpenAI")
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_MODEL", "mine")
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_URL", f"{target.url}/v1")
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_AUTH", "s3cr3t")
        assert ChatCompletion.create("gpt-4", HELLO) == "Hi"
        assert target.sent[0].headers["authorization"] == "Bearer s3cr3t"
        assert "s3cr3t" not in repr(vars(redirects.current_target()))
        with pytest.raises(AuthenticationRequiredError):  # they are for calls that are redirected
            ChatCompletion.create("gpt-4", HELLO, Provider.OpenAI)

    @pytest.mark.parametrize("variable, value", [("URL", "nowhere"), ("AUTH", "a\nb")])
    def test_errors_name_the_environment_variable(
        self, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("G4F_LEGACY_REDIRECT", "OpenAI")
        monkeypatch.setenv(f"G4F_LEGACY_REDIRECT_{variable}", value)
        with pytest.raises(ValueError, match=f"^G4F_LEGACY_REDIRECT_{variable} "):
            ChatCompletion.create("gpt-4", HELLO)

    def test_export(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("", "_MODEL", "_URL", "_AUTH"):
            monkeypatch.setenv(f"G4F_LEGACY_REDIRECT{name}", "of another target")
        with redirect("OpenAI", "mine", base_url="http://127.0.0.1:1/v1", auth="s3cr3t") as target:
            redirects.export_target(target)
        exported = redirects.current_target()
        assert exported and (exported.provider, exported.model) == (Provider.OpenAI, "mine")
        assert exported.options == {"base_url": "http://127.0.0.1:1/v1", "auth": "s3cr3t"}
        redirects.export_target(redirect("Echo"))
        assert [name for name in os.environ if name.startswith("G4F_LEGACY_REDIRECT")] == ["G4F_LEGACY_REDIRECT"]

    def test_a_target_that_has_lost_its_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
        redirect("H2o")
        monkeypatch.delenv("G4F_LEGACY_H2O_URL")
        for provider in (Provider.H2o, Provider.Bing):
            with pytest.raises(ProviderNotWorkingError, match="^H2o is gone itself, and cannot be a redirect target"):
                list(provider._create_completion("", HELLO, True))

    @pytest.mark.parametrize("name", ["H2o", "Bing"])
    def test_h2o_as_the_target_of_its_own_calls(self, name: str, play: Any) -> None:
        server = play(3 * load("h2o/hello"))
        with redirect("H2o", base_url=server.url):
            for call in (
                ChatCompletion.create("x", HELLO, name),
                "".join(getattr(Provider, name).create_completion("x", HELLO)),
                "".join(getattr(Provider, name)._create_completion("x", HELLO, True)),
            ):
                assert call.startswith("Привет!")

    def test_a_url_alone_is_that_of_openai(self, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_URL", f" {target.url}/v1 ")
        monkeypatch.setenv("G4F_LEGACY_REDIRECT_MODEL", " mine\r")
        assert Provider.Bing.working and ChatCompletion.create("gpt-4", HELLO) == "Hi"
        assert target.sent[0].json["model"] == "mine"

    @pytest.mark.parametrize("name", ["Nope", "Bing", "H2o", "OpenAI"])
    def test_an_environment_that_names_no_usable_target(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_REDIRECT", name)
        assert [provider.__name__ for provider in registry.find(usable=True)] == ["Echo"]
        assert ChatCompletion.create("", HELLO, "Echo") == "Hello"
        with pytest.raises((LookupError, ProviderNotWorkingError, AuthenticationRequiredError)):
            ChatCompletion.create("gpt-4", HELLO)

    @pytest.mark.parametrize("stream", [True, False])
    def test_a_server_that_does_not_run_is_that_of_the_redirect(self, stream: bool) -> None:
        with redirect("OpenAI", base_url="http://127.0.0.1:1", retries=0):
            with pytest.raises(RequestFailedError, match="Redirect to another one with g4f-legacy run --base-url"):
                list(ChatCompletion.create("gpt-4", HELLO, "Bing", stream=stream))
        with pytest.raises(RequestFailedError, match="Point the provider at another one with base_url="):
            ChatCompletion.create("gpt-4", HELLO, "OpenAI", base_url="http://127.0.0.1:1", retries=0)

    def test_each_redirect_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        redirect("Echo", "mine")
        with caplog.at_level(logging.INFO, "g4f_legacy"):
            for provider in ("Bing", "You", "Bing", None):
                ChatCompletion.create("gpt-4", HELLO, provider)
        assert caplog.messages == ["Calls to Bing go to Echo, model mine.", "Calls to You go to Echo, model mine."]

    def test_a_key_is_not_in_the_repr(self) -> None:
        assert "s3cr3t" not in repr(redirect("Echo", auth="s3cr3t"))


class TestWithoutTarget:
    @pytest.mark.parametrize("name", ["H2o", "OpenAssistant"])
    @pytest.mark.parametrize("method", ["create_completion", "_create_completion"])
    @pytest.mark.parametrize("options", [{}, {"auth": "s3cr3t"}])
    def test_a_direct_call_sends_nothing(
        self, options: Any, method: str, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a look-up"))
        with pytest.raises(ProviderNotWorkingError) as raised:
            list(getattr(getattr(Provider, name), method)("", HELLO, True, **options))
        assert str(raised.value).startswith(
            f"{name} is gone, and there is no redirect for its calls. Point the provider"
        )
        assert f"G4F_LEGACY_{name.upper()}_URL" in str(raised.value) and "g4f-legacy run -p" in str(raised.value)

    def test_credentials_alone_are_not_enough(self) -> None:
        with pytest.raises(AuthenticationRequiredError, match="server is gone: .* with base_url= or G4F_LEGACY_OPENA"):
            ChatCompletion.create("", HELLO, "OpenAssistant")
        with pytest.raises(ProviderNotWorkingError, match="G4F_LEGACY_H2O_URL"):
            ChatCompletion.create("falcon-40b", HELLO)

    def test_hugging_chat_needs_credentials(self) -> None:
        for method in ("create_completion", "_create_completion"):
            with pytest.raises(AuthenticationRequiredError):
                list(getattr(Provider.HuggingChat, method)("", HELLO, True))

    def test_the_signature_is_that_of_the_module(self) -> None:
        completion = Provider.H2o._create_completion
        assert inspect.isgeneratorfunction(completion)
        expected = "(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]"
        assert str(inspect.signature(completion)).replace("typing.", "") == expected
        assert inspect.getsource(completion).startswith("def _create_completion(model: str")
        assert pickle.loads(pickle.dumps(completion)) is completion

    @pytest.mark.parametrize("model", ["gpt-4", "falcon-40b", "", None, models.gpt_4, models.gpt_4_32k, []])
    def test_no_provider(self, model: Any) -> None:
        with pytest.raises(ProviderNotWorkingError, match="^no provider is configured that serves "):
            ChatCompletion.create(model, HELLO)

    def test_the_message_names_the_model_and_its_provider_of_2023(self) -> None:
        with pytest.raises(ProviderNotWorkingError) as raised:
            ChatCompletion.create("gpt-4", HELLO)
        assert str(raised.value).startswith(
            "no provider is configured that serves gpt-4 (in 2023: Bing, closed), and there is no redirect for such "
            "calls. Send them to a server of your own"
        )

    def test_an_unknown_model(self) -> None:
        with pytest.raises(ModelNotFoundError):
            ChatCompletion.create("unknown", HELLO)

    def test_an_available_provider_that_lists_the_model(self) -> None:
        assert ChatCompletion.create("echo", HELLO) == "Hello"

    def test_openai_if_it_is_configured(self, target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", target.url + "/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "its-own-key")
        kwargs: Any = {"auth": "s3cr3t", "cookies": {"a": "s3cr3t"}, "chatId": "5", "temperature": 1}
        assert ChatCompletion.create("gpt-4", HELLO, **kwargs) == "Hi"
        assert target.sent[0].json == {"model": "gpt-4", "messages": HELLO, "stream": False, "temperature": 1}
        assert target.sent[0].headers["authorization"] == "Bearer its-own-key"
        assert "cookie" not in target.sent[0].headers

    def test_credentials_of_another_service_do_not_configure_openai(self) -> None:
        with pytest.raises(ProviderNotWorkingError):
            ChatCompletion.create("gpt-4", HELLO, auth="s3cr3t")
