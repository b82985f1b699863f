"""How a predictor is reached: address, TLS, token, retries. Opens nothing itself."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypedDict

import grpc

SERVICE = "inference.GRPCInferenceService"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # of an answer
ATTEMPTS = 5
PING_MS, PONG_MS = 20_000, 10_000  # a connection that is dead is found out while calls wait
RECONNECT_MS, LONGEST_RECONNECT_MS = 200, 2_000  # gRPC's own go up to two minutes, which a replica that is back is not asked in
Metadata = tuple[tuple[str, str], ...]
StrPath = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form, read when the client is made.

    * `ca_file`: whose certificates are believed; without it the roots that gRPC carries.
    * `certificate_file` and `key_file`: what the client shows where the predictor asks for it (mutual TLS).
    * `server_name`: the name in the predictor's certificate, where it is another than the address.
    """

    ca_file: StrPath | None = None
    certificate_file: StrPath | None = None
    key_file: StrPath | None = None
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises OSError, ValueError."""
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together; one of them is missing")
        return grpc.ssl_channel_credentials(_bytes(self.ca_file), _bytes(self.key_file), _bytes(self.certificate_file))


class Bearer:
    """What goes with every call. A token's file is read again when it changed; where that fails the last token stays."""

    def __init__(self, token: str | None, token_file: StrPath | None, metadata: Mapping[str, str] | None) -> None:
        """Raises OSError, ValueError."""
        if token is not None and token_file is not None:
            raise ValueError("token and token_file are both given; keep one")
        self._fixed: Metadata = tuple((name.lower(), text) for name, text in (metadata or {}).items())
        self._file, self._seen = None if token_file is None else Path(token_file), (0, 0, 0)
        self._metadata = self._fixed if token is None else self._with(token)
        if self._file is not None:
            self._seen, self._metadata = _state(self._file), self._with(_token_in(self._file))

    def metadata(self) -> Metadata:
        if self._file is not None:
            try:
                seen = _state(self._file)
                if seen != self._seen:
                    self._seen, self._metadata = seen, self._with(_token_in(self._file))
            except (OSError, ValueError):
                pass  # it is being replaced; a token that is not known any more is told by the predictor
        return self._metadata

    def _with(self, token: str) -> Metadata:
        if not token or any(not "!" <= character <= "~" for character in token):
            raise ValueError("the token is empty, or has spaces or characters that no header takes")
        return (*self._fixed, ("authorization", f"Bearer {token}"))


class Options(TypedDict, total=False):
    """What both clients are told beside address and time. See Client."""

    tls: bool | Tls
    token: str
    token_file: StrPath
    metadata: Mapping[str, str]
    retry: bool
    retry_overload: bool


class Connection(NamedTuple):
    credentials: grpc.ChannelCredentials | None  # None: no TLS
    bearer: Bearer
    options: list[tuple[str, str | int]]


def connection(address: str, told: Options) -> Connection:
    """Call from a client's constructor. Raises OSError, ValueError."""
    if not address or address.startswith(("http://", "https://")):
        raise ValueError(f"{address!r} is no address of gRPC; give host:port, and tls=True for TLS")
    secure = told.get("tls", False)
    tls = Tls() if secure is True else secure or None
    bearer = Bearer(told.get("token"), told.get("token_file"), told.get("metadata"))
    if tls is None and ("token" in told or "token_file" in told) and not _is_here(address):
        warnings.warn(f"the token goes to {address} in clear: give tls=True, or tls=Tls(…)", UserWarning, stacklevel=3)
    credentials = None if tls is None else tls.credentials()
    return Connection(credentials, bearer, _options(told, "" if tls is None else tls.server_name))


def _options(told: Options, server_name: str) -> list[tuple[str, str | int]]:
    named: list[tuple[str, str | int]] = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return [
        *named,
        ("grpc.enable_retries", int(told.get("retry", True))),
        ("grpc.service_config", _service_config(retry_overload=told.get("retry_overload", False))),
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),  # a call that does not fit there is not tried again
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", LONGEST_RECONNECT_MS),
        ("grpc.keepalive_time_ms", PING_MS),
        ("grpc.keepalive_timeout_ms", PONG_MS),
    ]


def _service_config(*, retry_overload: bool) -> str:
    # A replica that is not there or stops: grpcio answers CANCELLED to what comes in at that moment, and a prediction may be asked
    # twice. Every other answer would be the same again, but for an overload that has passed.
    codes = ["UNAVAILABLE", "CANCELLED", *(["RESOURCE_EXHAUSTED"] if retry_overload else [])]
    policy = {
        "maxAttempts": ATTEMPTS,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": codes,
    }
    methods = [{"service": SERVICE, "method": method} for method in ("ModelInfer", "ModelMetadata")]
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [{"name": methods, "retryPolicy": policy}]})


def _bytes(file: StrPath | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()


def _token_in(file: Path) -> str:
    return file.read_text(encoding="ascii").strip()


def _state(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_here(address: str) -> bool:
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return address.startswith("unix:") or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
