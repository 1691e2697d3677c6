"""The directory: users (and, from a later issue, groups) over SCIM 2.0 (RFC 7643, RFC 7644).

Owns the schema `directory` and nothing else. Passwords it only hands over, hashed, to their owner's SQL function; the
end of a person's access it writes through `sessions.revoke_v1` in the transaction of the write that causes it.

app → http | storage → resource_types → ports → protocol
"""
