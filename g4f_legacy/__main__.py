"""The command ``g4f-legacy``, also as ``python -m g4f_legacy``."""

import sys

from ._version import __version__


def main() -> int:
    """Run the command line and return its exit code, that of `cli.main.main`."""
    if sys.argv[1:] == ["--version"]:  # scripts and people wait for it; importing argparse takes longer than the rest
        try:
            print("g4f-legacy", __version__, flush=True)
        except OSError as error:
            from .cli.main import report_os_error

            return report_os_error(error)
        return 0
    try:
        from .cli.main import main

        return main()
    except KeyboardInterrupt:  # during the import
        return 130


def run() -> None:
    """Run the command line and end the process, for ``python -m zipapp -m``, which ignores what a function returns."""
    sys.exit(main())


if __name__ == "__main__":
    run()
