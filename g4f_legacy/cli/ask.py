"""``g4f-legacy ask``: ask a question."""

import codecs
import os
import sys
import threading
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any

from ..completion import ChatCompletion
from .arguments import DEFAULT_PROVIDER, add_model, add_provider, call_options, default_provider, server_options
from .output import print_error
from .token_printer import print_tokens

EXAMPLE = "ask --local 'Hello'"

_STDIN_NOTICE_DELAY = 3  # seconds

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, with whose mark it begins
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",  # as Windows PowerShell writes it
    codecs.BOM_UTF16_BE: "UTF-16",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="the question; text from stdin is put before it")
    add_provider(parser, DEFAULT_PROVIDER)
    add_model(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    parser.add_argument("--no-stream", action="store_true", help="print the completion at its end, not as it arrives")
    parser.add_argument("--local", action="store_true", help="ask a server inside this process, by H2o's protocol")


def run(arguments: Namespace) -> None:
    prompt = "\n\n".join(filter(None, [_read_stdin(), arguments.prompt]))
    if not prompt.strip():
        raise ValueError("there is nothing to ask: give a PROMPT, or pipe one in")
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": prompt})
    options = call_options(arguments)
    provider = arguments.provider or default_provider(arguments)
    with ExitStack() as stack:
        if arguments.local:
            url = stack.enter_context(_serve_locally(provider, arguments))
            print_error(f"Asking H2o at {url}, where {provider} answers.")
            provider, options["base_url"], options["auth"] = "H2o", url, None
        completion: Any = ChatCompletion.create(
            arguments.model, messages, provider, stream=not arguments.no_stream, **options
        )
        if arguments.no_stream:
            print_tokens([completion])
        else:
            print_tokens(stack.enter_context(closing(completion)))


def _serve_locally(provider: str, arguments: Namespace) -> AbstractContextManager[str]:
    from ..server import create_app, serve_in_background  # imports flask, which only `--local` needs

    app = create_app(provider, arguments.model, **server_options(arguments))
    return serve_in_background(app, threads=8)


def _read_stdin() -> str:
    """Read stdin, unless it is a terminal. Print a notice if that takes long, because a pipe may never end.

    Raises:
        ValueError: it is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    text = "Waiting for the end of stdin. (If there is nothing to read: </dev/null.)"
    notice = threading.Timer(_STDIN_NOTICE_DELAY, print_error, [text])
    notice.daemon = True
    notice.start()
    try:
        content: str | bytes = getattr(sys.stdin, "buffer", sys.stdin).read()
    finally:
        notice.cancel()
    return (_decode(content) if isinstance(content, bytes) else content).rstrip("\n")


def _decode(content: bytes) -> str:
    """Decode UTF-8, whatever the locale is. Other encodings are refused: the model would be sent other characters."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise _not_utf8(encoding, encoding)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode().replace(os.linesep, "\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(f"byte 0x{error.object[error.start]:02x} at position {error.start}", "LATIN1") from None


def _not_utf8(found: str, encoding: str) -> ValueError:
    return ValueError(f"stdin is not UTF-8 ({found}): convert it first, such as with iconv -f {encoding} -t UTF-8")
