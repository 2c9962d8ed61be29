"""The switches of 2023."""

logging = False
"""Whether each call says on stdout which provider it uses. The package's own log is ``getLogger("g4f_legacy")``."""

version_check = False
"""Does nothing, whatever it is: nothing here asks anyone for a newer version."""
