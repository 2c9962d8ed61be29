"""``g4f-legacy chat``: have a conversation in the terminal."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

from ...concurrency.termination import Terminated
from ...errors import G4fError
from ..arguments import DEFAULT_PROVIDER_HELP, add_call_arguments, add_model, call_options, spell_flag
from ..default_provider import find_provider_with_notice
from ..output import print_error
from ..stdin import has_terminal_input
from ..token_printer import print_tokens
from .commands import is_command, run_command
from .conversation import Conversation
from .files import read_messages
from .history import keep_history
from .input import EndOfChat, LineSource, PipedInput, TerminalInput, read_text

EXAMPLE = "chat --base-url http://127.0.0.1:11434/v1"


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = (
        f'{parser.description} Type /help for the commands, """ around a message of several lines, Ctrl-C to stop an '
        "answer, Ctrl-D to end. Lines can be edited and recalled; they are kept in g4f_legacy/history in "
        "$XDG_STATE_HOME or ~/.local/state. If stdin is not a terminal, each of its lines is a message."
    )
    add_call_arguments(parser, DEFAULT_PROVIDER_HELP)
    add_model(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    parser.add_argument("--load", metavar="FILE", help="continue the conversation in a file that /save has written")


def run(arguments: Namespace) -> None:
    """Have a conversation. On a terminal, errors are shown and it goes on; elsewhere, the first one ends it."""
    conversation = Conversation(find_provider_with_notice(arguments), arguments.model, call_options(arguments))
    if arguments.load:
        conversation.replace_messages(read_messages(arguments.load))
    if arguments.system:
        conversation.set_system(arguments.system)
    conversation.check_call()
    if not has_terminal_input():
        _take_turns(conversation, PipedInput())
        return
    source = TerminalInput()
    print_error(f"{conversation.describe_model()}. /help lists the commands, Ctrl-D ends the chat.")
    with keep_history():
        _take_turns(conversation, source)


def _take_turns(conversation: Conversation, source: LineSource) -> None:
    while True:
        try:
            line = source.read_line()
            with _shown_errors(source):
                _take_turn(conversation, line, source)
        except EndOfChat:
            return


def _take_turn(conversation: Conversation, line: str, source: LineSource) -> None:
    """Run the command in a line, or send it as a message if it has a text."""
    if is_command(line):
        result = run_command(conversation, line, source)
    else:
        text = read_text(line.removeprefix("/"), source)  # of "//", which begins a message
        result = conversation.ask(text) if text.strip() else ""
    if not result:
        return
    if isinstance(result, str):
        print_error(result)
    else:
        _print_completion(conversation, result, source)


def _print_completion(conversation: Conversation, tokens: Generator[str, None, None], source: LineSource) -> None:
    is_complete = False
    with _shown_errors(source):
        with closing(tokens):
            print_tokens(tokens)
        is_complete = True  # not reached after an error, which the block has shown
    if not conversation.has_text:
        print_error("Nothing is added to the conversation; /retry asks again.")
    elif not is_complete:
        print_error("The text received is part of the conversation; /retry asks again.")


@contextmanager
def _shown_errors(source: LineSource) -> Iterator[None]:
    """On a terminal, let Ctrl-C and errors end the block with a message on stderr, and raise neither."""
    try:
        yield
    except Terminated:
        raise
    except KeyboardInterrupt:
        if not source.is_terminal:
            raise
        print_error("\rStopped.")  # over the ^C that the terminal shows
    except BrokenPipeError:  # the reader of the output is gone
        raise
    except (G4fError, TypeError, ValueError, OSError) as error:
        if not source.is_terminal:
            raise
        print_error(error.describe(spell_flag) if isinstance(error, G4fError) else str(error))
