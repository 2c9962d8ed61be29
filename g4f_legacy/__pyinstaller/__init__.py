"""What PyInstaller needs to know of this package; the entry point ``pyinstaller40`` names it.

https://pyinstaller.org/en/stable/hooks.html#providing-pyinstaller-hooks-with-your-package
"""

import os


def get_hook_dirs() -> list[str]:
    """Return the folders of hooks."""
    return [os.path.dirname(__file__)]
