"""The wire: each verb once for all resource types, the discovery documents, and who may come in.

Knows no SQL and no store, only ports; every answer, also of what was never routed, speaks SCIM (RFC 7644 §3.12).
"""
