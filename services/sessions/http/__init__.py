"""The admin REST: one file a resource. Problems are RFC 9457; unknown fields and duplicate parameters are refused."""
