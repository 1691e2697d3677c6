"""What the three services share, and no service's words.

Owns: the stores' clients (`db`, `redis`), settings, logs, metrics and telemetry, the web layer (`web`), JOSE,
secrets, TOTP, passwords, ids and clocks, the session data plane (`session_store`), contracts between
services, and the test fixtures (`testing`). May not import a service, the operator's package, or anything of
a protocol that only one service speaks: a thing moves in here when a second service needs it.
"""
