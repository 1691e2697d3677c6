"""The Lua scripts of the data plane, one file each, loaded once at import."""

from importlib.resources import files

from identity_core.redis import Script


def _load(name: str) -> Script:
    return Script(name, files(__package__).joinpath(f"{name}.lua").read_text("utf-8"))


CREATE = _load("create")
READ = _load("read")
READ_TOKEN = _load("read_token")
TOUCH = _load("touch")
APPLY = _load("apply")
APPLY_TENANT = _load("apply_tenant")
ADVANCE_MARK = _load("advance_mark")
