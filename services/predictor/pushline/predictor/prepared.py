"""What is to be made ready, and what was: plain data, with the form in which it goes to another process and comes back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pushline.line.events import File, Serving


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as a deployed record names it. Equal ones are the same bytes, whichever record names them."""

    model: str
    run_id: str
    digest: str
    manifest_sha256: str
    files: tuple[File, ...]

    @classmethod
    def of(cls, model: str, serving: Serving) -> "ModelFiles":
        return cls(model, serving.run_id, serving.digest, serving.manifest_sha256, serving.files)

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "ModelFiles":
        return cls(**{**plain, "files": tuple(File(**each) for each in plain["files"])})

    @property
    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model whose files lie on this disk and are what they should be."""

    engine: str  # litert: programs; tensorflow: one model.h5
    files: tuple[tuple[Path, int | None], ...]  # with the program's batch; None: any
    task: str
    labels: tuple[str, ...]
    from_logits: bool
    needed_bytes: int  # of memory, once it is loaded and at work

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "Prepared":
        files = tuple((Path(path), batch) for path, batch in plain["files"])
        return cls(plain["engine"], files, plain["task"], tuple(plain["labels"]), plain["from_logits"], plain["needed_bytes"])

    @property
    def plain(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "files": [(str(path), batch) for path, batch in self.files],
            "task": self.task,
            "labels": self.labels,
            "from_logits": self.from_logits,
            "needed_bytes": self.needed_bytes,
        }
