"""The rules of OAuth 2.0 and OpenID Connect on values: no web, no store, no clock of their own.

Each rule cites its section. A refusal is a value (`errors.OAuthError`), never an exception.
"""
