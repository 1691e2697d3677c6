"""The rules of SCIM as functions of values: no web, no database, no clock.

A rule answers its result or a `ScimError`; resources are plain dictionaries with canonical attribute names.
"""
