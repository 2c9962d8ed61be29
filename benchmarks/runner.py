"""``python -m benchmarks.runner TASK ARGUMENT …``: runs one of the `tasks`, and prints its result as a line of JSON.

Where the extra ``speed`` is not named, the package has to do without orjson, whether or not that is installed.
"""

import json
import sys

from . import contenders, tasks
from .process import Missing


def main() -> None:
    name, *arguments = sys.argv[1:]
    if name != "cpu" or arguments[0] in contenders.WITHOUT_ORJSON:
        sys.modules["orjson"] = None  # type: ignore[assignment]  # before anything looks for it
    try:
        result = getattr(tasks, name)(*arguments)
    except (ImportError, Missing) as error:
        result = {"missing": str(error)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
