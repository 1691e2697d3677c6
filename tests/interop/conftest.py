"""The houses of the interop tests: over TLS, as foreign clients insist."""

from tests.flows.houses import tls_stack

__all__ = ["tls_stack"]
