"""The schema `sessions` in PostgreSQL and the live sessions in Redis; SQL is nowhere else in this service.

Implements `sessions.ports`. Every statement names the tenant first, except the sweeper's, which works for all.
"""
