"""The switches of 2023."""

logging = False
"""Whether each call prints the name of its provider. The package's own log is ``getLogger("g4f_legacy")``."""

check_version = version_check = False
"""They have no effect: the package does not check for new versions."""
