"""The load generator: runs beside the engine, in a container of its own.

It imports only `specseal.records` and its own few dependencies, and knows no engine: `job.json`
picks rows from its two closed tables, API dialects and count sources.
"""
