"""Load tests and benchmarks: how much each operation costs, and what a storm does to the house.

Nothing here is part of the product. Everything starts its own throw-away stores and services on loopback.
"""
