"""The house of the security tests."""

from tests.flows.houses import stack

__all__ = ["stack"]
