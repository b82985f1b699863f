"""From the operator's file to forges that can be asked: the one place that knows all three kinds."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pushline.auditor.forge.gitea import Gitea
from pushline.auditor.forge.github import GitHub
from pushline.auditor.forge.gitlab import GitLab
from pushline.auditor.forge.http import Http
from pushline.auditor.forge.ports import Forge
from pushline.runtime import token_file
from pushline.runtime.forge_config import ForgeConfig
from pushline.runtime.operator_file import ModelConfig, OperatorFileError, read_operator_file

HEADERS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "github": GitHub.headers,
    "gitlab": GitLab.headers,
    "gitea": Gitea.headers,
}


class BadForge(Exception):
    """The operator's file, a token or a certificate cannot be used; the message names file and key."""


class Opens(Protocol):
    @property
    def path(self) -> Path:
        """The operator's file."""
        ...

    def models(self) -> tuple[ModelConfig, ...]:
        """Give the models that have a forge, as they are configured now. Raises BadForge."""
        ...

    def open(self, model: ModelConfig, config: ForgeConfig, /) -> Forge:
        """Read the token. Raises BadForge."""
        ...


class Opening:
    """`path` is the operator's file; of the files that it names those of forges alone are read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def models(self) -> tuple[ModelConfig, ...]:
        try:
            return tuple(model for model in read_operator_file(self.path, secrets=False).models if model.forge is not None)
        except OperatorFileError as error:
            raise BadForge(str(error)) from None

    def open(self, model: ModelConfig, config: ForgeConfig, /) -> Forge:
        try:
            token = token_file.read(config.token_file)
        except token_file.Unusable as error:
            raise BadForge(f"{self.path}: model {model.name}: forge.token_file: {error}") from None
        try:
            http = Http(config, lambda: HEADERS[config.kind](token))
        except OSError as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise BadForge(f"{self.path}: model {model.name}: forge.ca_file: cannot use {config.ca_file}: {why}") from None
        return make_forge(http, config, model.name, model.branch)


def make_forge(http: Http, config: ForgeConfig, model: str, branch: str) -> Forge:
    context = f"pushline/{model}"
    if config.kind == "gitlab":
        return GitLab(http, config, context, branch)
    return GitHub(http, config, context) if config.kind == "github" else Gitea(http, config, context)
