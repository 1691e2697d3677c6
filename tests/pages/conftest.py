"""The house and the browser of the page tests."""

from tests.flows.chromium import browser
from tests.flows.houses import stack

__all__ = ["browser", "stack"]
