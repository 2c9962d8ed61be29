"""``g4f-legacy scan``: report what scripts use of g4f."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..compat.script_scanner import LIVE, Report, scan_scripts
from ..errors import single_line
from .output import print_error, print_json

EXAMPLE = "scan bot.py"

_EPILOG = (
    "States: live; placeholder: gone, and redirected; unknown: does not exist; guarded: does not exist, but the script "
    "catches the error or tests for it. The exit code is 1 if a provider or another name is unknown, or a file cannot "
    "be read; an unknown model is sent to the server as it is. --json writes a list of objects with the keys path, "
    "providers, models, names (each maps names to states), needs (what its completions need that is not configured), "
    "reasons (why a name is unknown or differs from 2023), error (why the file cannot be read, or an empty string) and "
    "is_known (false if a provider or another name is unknown, or the file cannot be read)."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = f"{_EPILOG} {parser.epilog or ''}"
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a script, or a folder of scripts")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> int:
    """Return 1 if a script cannot be read, or uses a name that does not exist without catching the error."""
    reports = list(scan_scripts(arguments.paths))
    if arguments.json:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            _print_report(report)
    if not reports:
        print_error("No script there uses g4f.")
    return 0 if all(report.is_known for report in reports) else 1


def _print_report(report: Report) -> None:
    print(report.path)
    for title, states in (("providers", report.providers), ("models", report.models), ("names", report.names)):
        if states:
            print(f"  {title:<10}{', '.join(_with_state(name, state) for name, state in states.items())}")
    if report.needs:
        print(f"  {'needs':<10}{', '.join(report.needs)}")
    for name, reason in report.reasons.items():
        print(f"  {'reason':<10}{single_line(name)}: {reason}")
    if report.error:
        print(f"  {'error':<10}{single_line(report.error)}")


def _with_state(name: str, state: str) -> str:
    name = single_line(name)  # it may come from a string of the script
    return name if state == LIVE else f"{name} ({state})"
