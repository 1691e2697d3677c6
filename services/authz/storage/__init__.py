"""What authz keeps: PostgreSQL's schema `authz` and, in Redis, codes and whatever lives no longer than a login.

Owns every SQL statement and Lua script of the service and implements `authz.ports`. It writes no other schema;
what it must change there it changes through that schema's published functions.
"""
