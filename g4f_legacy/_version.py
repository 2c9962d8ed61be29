"""The version of the package."""

__version__ = version = "0.1.0"
