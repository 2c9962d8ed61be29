"""The providers, one module each.

What else ``g4f.Provider`` had in 2023, such as placeholders for providers that no longer exist, is added by
`compat.provider_package`.
"""
