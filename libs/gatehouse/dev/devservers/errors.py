"""The one error of the embedded servers."""


class DevServerError(Exception):
    """A server could not be found, started or asked: one sentence for a person, without secrets."""
