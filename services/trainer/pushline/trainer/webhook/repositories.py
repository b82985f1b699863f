"""Which configured model a payload's repository is. The payload's words are compared and forgotten, never used as an address."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pushline.runtime.operator_file import ModelConfig

_SCP_FORM = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9._-]*):([^/:\s][^:\s]*|/[^:\s]*)")
_DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}


def normalise(repository: str) -> str:
    """Give host/path, or the path alone: without scheme, user, default port, .git, and in small letters."""
    if "://" in repository:
        name = _of_url(repository)
    else:
        scp = _SCP_FORM.fullmatch(repository)
        name = f"{scp[1]}/{scp[2].lstrip('/')}" if scp else repository
    return name.rstrip("/").removesuffix(".git").rstrip("/").casefold()


def models_of(models: Iterable[ModelConfig], addresses: Iterable[str], full_name: str) -> tuple[ModelConfig, ...]:
    """Give the models whose repository one of the addresses is, else those whose address ends with the full name (team/digits)."""
    known = [(normalise(model.repository), model) for model in models]
    wanted = {normalise(address) for address in addresses}
    found = tuple(model for name, model in known if name in wanted)
    if found or "/" not in full_name.strip("/"):
        return found
    end = "/" + full_name.strip("/").casefold()
    return tuple(model for name, model in known if name.endswith(end))


def _of_url(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    host = parts.hostname or ""
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host += f":{port}"
    return host + parts.path
