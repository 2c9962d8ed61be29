"""``g4f-legacy path``: print the folder that gives other Python processes ``g4f``."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from ..compat.g4f_alias import DROP_IN, has_drop_in

EXAMPLE = 'path\n         PYTHONPATH="$(g4f-legacy path)" python bot.py'


def add_arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter  # keeps the lines of the example


def run(arguments: Namespace) -> None:
    """Print the folder.

    Raises:
        ValueError: the folder does not exist, because this is a program that PyInstaller has built.
    """
    if not has_drop_in():
        raise ValueError("this program does not contain the folder; install g4f_legacy with pip to get it")
    print(DROP_IN)
