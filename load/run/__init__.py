"""Load scenarios: a house under a load that changes, judged by what it answered. See load/README.md."""
