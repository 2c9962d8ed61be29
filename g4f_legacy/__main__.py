"""The command ``g4f-legacy``, also as ``python -m g4f_legacy``."""

import sys

import g4f_legacy  # its names are imported when they are used


def main() -> int:
    """Runs the command line, and returns its exit code: that of `cli.main`."""
    if sys.argv[1:] == ["--version"]:  # which people wait for: importing the parser takes longer than all the rest
        print("g4f-legacy", g4f_legacy.__version__)
        return 0
    return int(g4f_legacy.cli.main())


if __name__ == "__main__":
    sys.exit(main())
