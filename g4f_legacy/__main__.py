"""``python -m g4f_legacy``"""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
