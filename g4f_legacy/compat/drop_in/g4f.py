"""Replaces itself by g4f_legacy, in a Python that has not run the `sitecustomize.py` next to it.

That is the case with ``python -S``, and if another ``sitecustomize.py`` comes first.
"""

import os
import sys

if sys.version_info < (3, 10):
    raise ImportError("g4f is g4f_legacy here, which needs Python 3.10 or later, and this is " + sys.version.split()[0])

_root = os.path.abspath(os.path.join(os.path.realpath(__file__), *[os.pardir] * 4))
sys.path.insert(0, _root)
try:
    from g4f_legacy.compat import g4f_alias
finally:
    sys.path.remove(_root)

g4f_alias.install()
sys.modules[__name__] = g4f_alias.find_module(__name__)
