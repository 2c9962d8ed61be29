"""Everything that exists for scripts of 2023."""
