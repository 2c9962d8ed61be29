import copy
import pickle
import re
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
import requests

from g4f_legacy.cli.arguments import spell_flag
from g4f_legacy.errors import AuthenticationRequiredError, OptionError, OptionTypeError, OptionValueError
from g4f_legacy.options import DEFAULT_RETRIES, DEFAULT_TIMEOUT, OPTION_NAMES, OPTIONS, Options, read_options
from g4f_legacy.Provider import Echo, H2o, OpenAssistant

SECRET = "s3cr3t"


def read(**kwargs: Any) -> Options:
    return read_options(H2o, kwargs)


def test_defaults() -> None:
    options = read()
    assert options.base_url == "https://gpt-gm.h2o.ai"
    assert (options.auth, options.cookies, options.headers, options.proxy) == (None, {}, {}, None)
    assert (options.timeout, options.retries) == (DEFAULT_TIMEOUT, DEFAULT_RETRIES) == ((10, 120), 2)
    assert (options.verify, options.session, options.parameters) == (None, None, {})


def test_none_counts_as_not_given() -> None:
    names = "base_url auth access_token cookies headers proxy timeout retries verify session"
    assert OPTION_NAMES == tuple(OPTIONS) == tuple(names.split())
    assert read(**dict.fromkeys(OPTION_NAMES)) == read()


def test_everything_else_is_a_generation_parameter_and_kwargs_are_not_changed() -> None:
    kwargs = {"temperature": 0.5, "top_p": None, "retries": 0, "cookies": {"a": "b"}}
    before = dict(kwargs)
    options = read_options(H2o, kwargs)
    assert options.parameters == {"temperature": 0.5, "top_p": None}
    assert kwargs == before


@pytest.mark.parametrize(
    "value, base_url, basic_auth",
    [
        ("http://127.0.0.1:1337", "http://127.0.0.1:1337", None),
        ("http://127.0.0.1:1337//", "http://127.0.0.1:1337", None),
        (" https://a.host/chat/ ", "https://a.host/chat", None),
        ("http://[::1]:80/x", "http://[::1]:80/x", None),
        ("http://me:s%40cret@a.host:1/x", "http://a.host:1/x", ("me", "s@cret")),
        ("HTTP://A.host", "http://A.host", None),
    ],
)
def test_base_url(value: str, base_url: str, basic_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read(base_url=value)
    assert (options.base_url, options.basic_auth) == (base_url, basic_auth)
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", value)
    assert read() == options


@pytest.mark.parametrize(
    "value",
    ["", "localhost:1337", "127.0.0.1", "ftp://a.host", "http://", "http://a.host/?q", "http://a.host/#f"]
    + ["http://a.host:0", "http://a.host:99999", "http://a.host:x", "http://[::1", "http://a host/", "http://a\nb/"],
)
def test_an_invalid_base_url(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="^base_url must be the URL of a server, like "):
        read(base_url=value)
    if value:
        monkeypatch.setenv("G4F_LEGACY_H2O_URL", value)
        with pytest.raises(ValueError, match="^G4F_LEGACY_H2O_URL must be the URL of a server, like ") as raised:
            read()
        assert raised.value.describe(spell_flag) == str(raised.value)


@pytest.mark.parametrize(
    "value, suggestion",
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080/v1/", "http://localhost:8080/v1"),
        ("localhost", "http://localhost"),
        ("192.168.1.5", "http://192.168.1.5"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("chat.lan:11434/v1", "http://chat.lan:11434/v1"),
        ("example.com/chat", "https://example.com/chat"),
        ("8.8.8.8", "https://8.8.8.8"),
        ("http:/127.0.0.1", "http://127.0.0.1"),
        ("https:example.com", "https://example.com"),
        ("http//localhost", "http://localhost"),
        ("//localhost:80", "http://localhost:80"),
        (f"me:{SECRET}@127.0.0.1:80", "http://127.0.0.1:80"),
        (f"me:1{SECRET}/@host.test:80", "https://host.test:80"),
        (f"http:/me:{SECRET}@host.test", "http://host.test"),
    ],
)
def test_a_base_url_without_a_scheme(value: str, suggestion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionValueError, match=f"; did you mean '{re.escape(suggestion)}'[?]$") as raised:
        read(base_url=value)
    assert SECRET not in str(raised.value) and read(base_url=suggestion).base_url == suggestion
    assert raised.value.describe(spell_flag).startswith("--base-url must be the URL of a server, like ")
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", value)
    with pytest.raises(OptionValueError, match=f"^G4F_LEGACY_H2O_URL .*did you mean '{re.escape(suggestion)}'[?]$"):
        read()


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "::1",
        f"{SECRET}_X.eyJ.Abc",
        f"example.com?key={SECRET}",
        f"http://me:{SECRET}@a.host:x/",
        "ftp://a.host",
        "abcdefghijkl.mnopqrstuv.wxyzabcdef",
        "a.b.example.com",
        "/S3cretPass",
        "//s3cretpass",
        "http:/s3cretpass",
        "user:1234",
        "example.com/S3cretPass",
        "localhost/v2",
    ]
    + [f"a b {SECRET}", f"user:{SECRET}", "http://@", "http:/", "/", "a..b:0"],
)
def test_no_suggestion(value: str) -> None:
    with pytest.raises(OptionValueError, match="'https://example.com/chat'$"):
        read(base_url=value)


@pytest.mark.parametrize("configured", ["", "configured"])
@pytest.mark.parametrize("value", [None, True, False, "", "cookies", "token", "jwt"])
def test_auth_that_means_the_configured_one(value: Any, configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_AUTH", configured)
    assert read(auth=value).auth == (configured or None)


def test_auth_and_access_token() -> None:
    assert read(auth=" a token ").auth == "a token"
    assert read(access_token="b").auth == "b"
    assert read(auth="a", access_token="b").auth == "a"
    assert read(auth=True, access_token="b").auth == "b"


def test_auth_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_AUTH", "configured")
    assert read(auth="a").auth == "a"


@pytest.mark.parametrize(
    "value, timeout",
    [
        (5, (5, 5)),
        (0.25, (0.25, 0.25)),
        ((1, 2.5), (1, 2.5)),
        ([1, 2], (1, 2)),
        (float("inf"), (2e6, 2e6)),
        (10**400, (2e6, 2e6)),
    ],
)
def test_timeout(value: Any, timeout: Any) -> None:
    assert read(timeout=value).timeout == timeout


@pytest.mark.parametrize(
    "value, proxy",
    [
        ("localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://me:pw@localhost", "https://me:pw@localhost"),
        ("", None),
    ],
)
def test_proxy(value: str, proxy: Any) -> None:
    assert read(proxy=value).proxy == proxy


def test_a_socks_proxy_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(ValueError, match="pip install PySocks$"):
        read(proxy="socks5://localhost:1080")
    socks = type(sys)("socks")
    socks.__spec__ = pytest.__spec__
    monkeypatch.setitem(sys.modules, "socks", socks)
    assert read(proxy="socks5://localhost:1080").proxy == "socks5://localhost:1080"


def test_verify(tmp_path: Path) -> None:
    assert [read(verify=value).verify for value in (True, False, tmp_path, str(tmp_path))] == [
        True,
        False,
        str(tmp_path),
        str(tmp_path),
    ]


WRONG = [
    ("base_url", 5, TypeError),
    ("auth", 5, TypeError),
    ("auth", 1, TypeError),
    ("auth", b"abc", TypeError),
    ("auth", f"{SECRET}\r\nX: y", ValueError),
    ("auth", f"{SECRET}Ж", ValueError),
    ("access_token", [SECRET], TypeError),
    ("cookies", SECRET, TypeError),
    ("cookies", {"a": 5}, TypeError),
    ("cookies", {5: "a"}, TypeError),
    ("cookies", {"a": f"{SECRET}\n"}, ValueError),
    ("headers", [("a", SECRET)], TypeError),
    ("headers", {"a": None}, TypeError),
    ("headers", {"a:b": "c"}, ValueError),
    ("headers", {"": "c"}, ValueError),
    ("headers", {"\xe9": "c"}, ValueError),
    ("headers", {"a": f"{SECRET}\r\nb: c"}, ValueError),
    ("headers", {"a": f"{SECRET}Ж"}, ValueError),
    ("proxy", 8080, TypeError),
    ("proxy", f"ftp://me:{SECRET}@localhost", ValueError),
    ("proxy", f"http://me:{SECRET}@", ValueError),
    ("proxy", f"http://me:{SECRET}@a host", ValueError),
    ("proxy", f"http://me:{SECRET}@localhost:x", ValueError),
    ("timeout", "5", TypeError),
    ("timeout", True, TypeError),
    ("timeout", (1, 2, 3), TypeError),
    ("timeout", (1, None), TypeError),
    ("timeout", 0, ValueError),
    ("timeout", -1, ValueError),
    ("timeout", (1, 0), ValueError),
    ("timeout", float("nan"), ValueError),
    ("retries", 1.5, TypeError),
    ("retries", True, TypeError),
    ("retries", -1, ValueError),
    ("verify", 1, TypeError),
    ("verify", "/no/such/bundle", ValueError),
    ("session", "a session", TypeError),
    ("session", requests.Session, TypeError),
    ("temperature", object(), TypeError),
    ("temperature", float("nan"), ValueError),
    ("topK", float("nan"), ValueError),
]


@pytest.mark.parametrize("name, value, error_type", WRONG)
def test_errors_name_the_option_and_show_no_secret(name: str, value: Any, error_type: Any) -> None:
    with pytest.raises(error_type) as raised:
        read(**{name: value})
    assert type(raised.value) is (OptionTypeError if error_type is TypeError else OptionValueError)
    assert isinstance(raised.value, OptionError)
    assert raised.value.option == name and str(raised.value).startswith(f"{name} ")
    assert raised.value.describe(spell_flag) == f"{spell_flag(name)} {raised.value.problem}"
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (type(copied), str(copied), copied.option) == (type(raised.value), str(raised.value), name)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("variable", ["G4F_LEGACY_H2O_URL", "G4F_LEGACY_H2O_AUTH"])
def test_errors_name_the_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"a\nb{SECRET}")
    with pytest.raises(OptionValueError) as raised:
        read()
    for error in (raised.value, pickle.loads(pickle.dumps(raised.value)), copy.deepcopy(raised.value)):
        assert str(error) == error.describe(spell_flag) == f"{variable} {error.problem}"
        assert error.option == variable and SECRET not in str(error)


def test_errors_name_the_variables_of_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_COOKIES", "name=Ж")
    with pytest.raises(OptionValueError) as raised:
        read_options(OpenAssistant, {})
    assert raised.value.describe(spell_flag).startswith("G4F_LEGACY_COOKIES_FILE or G4F_LEGACY_COOKIES contains ")


def test_a_parameter_that_contains_itself() -> None:
    loop: Any = []
    loop.append(loop)
    with pytest.raises(ValueError, match="^stop cannot be sent"):
        read(stop=loop)


def test_a_cookie_jar_with_an_invalid_value() -> None:
    jar = requests.cookies.RequestsCookieJar()
    jar.set("a", "Ж")
    with pytest.raises(ValueError, match="^cookies contains"):
        read(cookies=jar)


def test_auth_from_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_AUTH", f"{SECRET}Ж")
    with pytest.raises(ValueError, match="^G4F_LEGACY_H2O_AUTH contains"):
        read()


def test_no_secret_in_the_repr() -> None:
    options = read(
        base_url=f"http://me:{SECRET}@127.0.0.1",
        auth=SECRET,
        cookies={"a": SECRET},
        headers={"a": SECRET},
        proxy=f"http://me:{SECRET}@127.0.0.1",
    )
    assert SECRET not in repr(options)


def with_cookie() -> requests.Session:
    session = requests.Session()
    session.cookies.set("a", "b")
    return session


def with_header() -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = "a"
    return session


@pytest.mark.parametrize(
    "credentials",
    [
        {"auth": "a"},
        {"cookies": {"a": "b"}},
        {"cookies": with_cookie().cookies},
        {"headers": {"authorization": "a"}},
        {"headers": {"Cookie": "a=b"}},
        {"session": with_cookie()},
        {"session": with_header()},
    ],
)
def test_credentials_of_any_kind_are_accepted(credentials: Any) -> None:
    assert read_options(OpenAssistant, credentials)


@pytest.mark.parametrize(
    "credentials", [{}, {"auth": True}, {"cookies": {}}, {"cookies": CookieJar()}, {"session": requests.Session()}]
)
def test_missing_credentials(credentials: Any) -> None:
    with pytest.raises(AuthenticationRequiredError, match="^OpenAssistant needs credentials. Give a token "):
        read_options(OpenAssistant, credentials)


def test_a_provider_without_a_server() -> None:
    assert read_options(Echo, {}).base_url == ""
    assert read_options(Echo, {"base_url": "http://127.0.0.1"}).base_url == "http://127.0.0.1"
