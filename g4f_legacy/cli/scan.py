"""``g4f-legacy scan``: report what scripts use of g4f."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..compat.script_scanner import LIVE, Report, scan_scripts
from .output import print_error, print_json

EXAMPLE = "scan bot.py"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a script, or a folder of scripts")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> int:
    """Return 1 if a script uses something that does not exist."""
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
    if report.error:
        print(f"  {'error':<10}{report.error}")


def _with_state(name: str, state: str) -> str:
    return name if state == LIVE else f"{name} ({state})"
