"""The demo application: a relying party as anybody would write one, on Authlib's Starlette client.

It shows who is signed in and what the tokens say. It knows Gatehouse only as an OpenID provider; nothing here
reaches into a service.
"""
