"""The operator's package: the `gatehouse` command, the development house, the demo application, checks.

It may import every service's app and storage; nothing imports it.
"""
