"""The rules of our own lints, one module per subject; `lints.RULES` lists them."""
