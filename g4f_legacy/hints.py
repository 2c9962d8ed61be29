"""Hints: what the user can do after an error."""

from enum import Enum

_REDIRECTS = """
  g4f-legacy run -p OpenAI --base-url http://127.0.0.1:11434/v1 SCRIPT
  export G4F_LEGACY_REDIRECT=OpenAI G4F_LEGACY_REDIRECT_URL=http://127.0.0.1:11434/v1
  g4f_legacy.redirect("OpenAI", base_url="http://127.0.0.1:11434/v1")
To try it without a server, use Echo instead of OpenAI: it repeats the prompt."""

_ANOTHER_PROVIDER = (
    "another provider, such as an OpenAI-compatible server: {provider} OpenAI {base_url} http://127.0.0.1:11434/v1"
)


class Hint(Enum):
    """What the user can do next, as a template that `errors.G4fError.describe` fills in.

    ``{base_url}``, ``{auth}``, ``{cookies}``, ``{provider}`` and ``{verify}`` are options of a call, which are spelled
    differently in Python and on the command line; the other fields are facts of the error. ``{proxy_source}`` is an
    option or an environment variable.
    """

    ASK_ANOTHER = f"Ask {_ANOTHER_PROVIDER}"
    BLANK_PROMPT = "The prompt is blank, which this server refuses: give it some text."
    CHECK_CERTIFICATE = (
        "Is it the right server? If its certificate is not signed by a public authority, give the path of the CA "
        "bundle with {verify}."
    )
    CHECK_CREDENTIALS = "Check {auth}, {cookies} or {auth_variables}."
    CHECK_MODEL = "Does the server list the model {model!r}?"
    CHECK_PROTOCOL = "Does this server speak the provider's protocol?"
    CHECK_PROXY = "Check {proxy_source}."
    CHECK_PROXY_OR_SERVER = "Is the server running, and does the proxy reach it? Check {proxy_source}."
    CHECK_PROXY_TLS = (
        "Does the proxy speak https, and is its certificate valid? Most proxies are http:// ones. Check {proxy_source}."
    )
    CHECK_REDIRECT = (
        "Is the server running? Redirect to another one with g4f-legacy run --base-url, G4F_LEGACY_REDIRECT_URL or "
        "g4f_legacy.redirect(…, base_url=…)."
    )
    CHECK_SERVER = "Is the server running? Point the provider at another one with {base_url} or {url_variable}."
    FOLLOW_REDIRECT = "If it redirects to the right place, give that address with {base_url}."
    GIVE_CREDENTIALS = "Give a token or cookie text with {auth}, or cookies with {cookies}, or set {auth_variables}."
    GIVE_CREDENTIALS_AND_SERVER = (
        GIVE_CREDENTIALS + " Its public server is gone: give it one of your own as well, with {base_url} or "
        "{url_variable}."
    )
    GIVE_CREDENTIALS_OR_SERVER = GIVE_CREDENTIALS + " Your own server, given with {base_url}, may need none."
    GIVE_PROXY_CREDENTIALS = (
        "Give the proxy's address with a user name and a password, as in user:password@host:8080: set {proxy_source}."
    )
    NAME_PROVIDER = "Name the provider to ask with {provider}, such as OpenAI for any OpenAI-compatible server."
    NO_WORKER = (
        "No worker has taken the message: all are busy, or none is connected to the inference server for this model."
    )
    ONE_MESSAGE_PER_LOGIN = "Ask one question at a time with each login, or use several."
    POSSIBLE_RATE_LIMIT = (
        "This server also responds so when a login sends more than 20 messages within 10 minutes: try again later, or "
        "read the server's log."
    )
    REDIRECT_CALLS = (
        f"Send them to a server of your own, such as an OpenAI-compatible one, by any of these:{_REDIRECTS}"
    )
    SERVER_GONE = "The public server is gone. Point the provider at your own with {base_url} or {url_variable}."
    SET_ORIGIN = (
        "The server takes its terms only at the address that its environment variable ORIGIN holds: start it with the "
        "one that {base_url} names. (localhost and 127.0.0.1 differ.)"
    )
    SET_SERVER = "Give it a server with {base_url} or {url_variable}."
    SET_SERVER_OR_ASK_ANOTHER = (
        f"Point the provider at a server of your own with {{base_url}} or {{url_variable}}, or ask {_ANOTHER_PROVIDER}"
    )
    SET_SERVER_OR_REDIRECT = (
        "Point the provider at a server of your own with {base_url} or {url_variable}, or send its calls to another "
        f"provider, by any of these:{_REDIRECTS}"
    )
    TRUNCATED = "The completion is truncated."
    TRY_LATER = "Try again later."
    USE_H2O = "This server speaks the protocol of chat-ui v0.3 to v0.6: use the provider H2o."
    USE_HTTP = "Does the server speak https at this port? If not, give its address with http://."
    USE_HTTPS = "The server speaks https at this port: give its address with https://."
    USE_HUGGINGCHAT = "This server speaks the protocol of chat-ui v0.7 and later: use the provider HuggingChat."
    USE_OPENAI = "That server speaks OpenAI's API: use OpenAI, with its address as {base_url}."
