"""The control plane of sessions: listing, ending, revoking by selector, policy, and the sweeper that closes rows.

Owns the schema `sessions`. The data plane (opening, reading, touching a session) is `identity_core.session_store`,
in process in every service; this one writes the ledger through its own functions and tells Redis after the commit.

app → http | storage → ports → protocol
"""
