"""Makes Python find ``g4f``. Python runs this file when it starts, if its folder is on ``PYTHONPATH``.

`g4f.py` alone is not enough: the folder of a script precedes ``PYTHONPATH``, and may contain a g4f of its own, and the
processes of `multiprocessing` replace `sys.path`. Python 2 can parse this file, because it finds it as well.
https://docs.python.org/3/library/site.html#module-sitecustomize
"""

import os
import sys

if sys.version_info >= (3, 10):
    _root = os.path.abspath(os.path.join(os.path.realpath(__file__), *[os.pardir] * 4))
    sys.path.insert(0, _root)
    try:
        from g4f_legacy.compat import g4f_alias

        g4f_alias.install()
    except ImportError:  # a copy of the folder, and no package: other programs have to start nevertheless
        pass
    finally:
        sys.path.remove(_root)

# Run the next file of this name, as Python would without this one. Python ignores the ImportError if there is none.
_folder = os.path.dirname(__file__)
_position = sys.path.index(_folder)
_own = sys.modules.pop(__name__)  # kept, because Python 2 clears a module that nothing refers to
del sys.path[_position]
try:
    __import__(__name__)
finally:
    sys.path.insert(_position, _folder)
