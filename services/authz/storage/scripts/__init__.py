"""The Lua scripts of authz, one file each, loaded once at import."""

from importlib.resources import files

from identity_core.redis import Script


def _load(name: str) -> Script:
    return Script(name, files(__package__).joinpath(f"{name}.lua").read_text("utf-8"))


PUT_CODE = _load("put_code")
TAKE_CODE = _load("take_code")
