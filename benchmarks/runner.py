"""``python -m benchmarks.runner TASK ARGUMENT …``: run one of the `tasks`, and print its result as a line of JSON.

Unless the contender has the extra ``speed``, orjson is hidden from the package even if it is installed.
"""

import json
import sys

from . import contenders, tasks
from .process import Missing


def main() -> None:
    name, *arguments = sys.argv[1:]
    if name != "cpu" or arguments[0] in contenders.WITHOUT_ORJSON:
        sys.modules["orjson"] = None  # type: ignore[assignment]  # before anything imports it
    try:
        result = getattr(tasks, name)(*arguments)
    except (ImportError, Missing) as error:
        result = {"missing": str(error)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
