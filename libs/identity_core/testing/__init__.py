"""What tests of several services share: a clock, keys, clean stores, the RelyingParty driver.

Nothing outside tests imports it, and it imports no service.
"""
