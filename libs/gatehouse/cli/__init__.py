"""The `gatehouse` command: one module per group of commands, `app` puts them together, `main` is the door.

Commands answer a table for people or, with `--json`, one JSON document on standard output. Faults are one sentence
on standard error (with `--json`, one JSON document) and an exit code of docs/exit-codes.md.
"""
