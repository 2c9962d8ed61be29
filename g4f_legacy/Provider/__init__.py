"""The providers, one module each: a new file here is a new provider, which `registry` finds by itself.

A provider has the constants of `H2o` (``url`` to ``working``) and a generator ``_create_completion`` that speaks the
protocol through `transport.client.ServerClient`. Its ``params`` is the text about its arguments that scripts print.

What else ``g4f.Provider`` had in 2023, such as placeholders for providers that no longer exist, is added by
`compat.provider_package`.
"""
