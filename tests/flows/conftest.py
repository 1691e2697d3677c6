"""The houses and the browser of the flow tests."""

from tests.flows.chromium import browser
from tests.flows.houses import stack, tls_stack

__all__ = ["browser", "stack", "tls_stack"]
