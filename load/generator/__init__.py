"""The closed-loop load generator: a process of its own that keeps some connections busy and checks every answer.

It measures nothing but counts; what an operation costs is read from the served process by `load.bench`.
"""
