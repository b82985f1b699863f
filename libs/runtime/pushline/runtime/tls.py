"""TLS of a server: the certificate it shows, and whose certificates it asks of its clients. From files, checked, replaceable."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

from pushline.runtime import small_file
from pushline.runtime.settings import SettingsError, setting

CERTIFICATE, KEY, CLIENT_CA = "PUSHLINE_TLS_CERTIFICATE", "PUSHLINE_TLS_KEY", "PUSHLINE_TLS_CLIENT_CA"


@dataclass(frozen=True)
class TlsSettings:
    certificate: Path | None = setting(
        CERTIFICATE,
        default=None,
        parse=Path,
        help="PEM file with the server's certificate and its chain; then gRPC and REST speak TLS alone; read again when it changes",
    )
    key: Path | None = setting(KEY, default=None, parse=Path, help="PEM file with the certificate's key, without a passphrase")
    client_ca: Path | None = setting(
        CLIENT_CA,
        default=None,
        parse=Path,
        help="PEM file with CA certificates; then every client must show a certificate of theirs",
    )

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What was read, whole: all of it fits together."""

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    context: ssl.SSLContext = field(repr=False, compare=False)


def read_certificates(settings: TlsSettings) -> Certificates | None:
    """None where no certificate is named. Raises SettingsError with one sentence."""
    if settings.certificate is None or settings.key is None:
        _check_alone(settings)
        return None
    chain, key = _read(CERTIFICATE, settings.certificate), _read(KEY, settings.key)
    client_ca = None if settings.client_ca is None else _read(CLIENT_CA, settings.client_ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _check_certificates(CERTIFICATE, settings.certificate, chain)
    _load(context, chain, key, settings)
    if client_ca is not None and settings.client_ca is not None:
        _check_certificates(CLIENT_CA, settings.client_ca, client_ca)
        context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
        context.verify_mode = ssl.CERT_REQUIRED
    return Certificates(chain, key, client_ca, context)


class NewestContext(ssl.SSLContext):
    """Every connection that begins gets the newest context, whole: a CA that is gone from the file counts no more.

    NOTE: asyncio asks for nothing but wrap_bio. To load into a context that is in use would add to its CAs, and take none away.
    """

    newest: ssl.SSLContext

    def __new__(cls, newest: ssl.SSLContext) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made.newest = newest
        return made

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _check_alone(settings: TlsSettings) -> None:
    if settings.certificate is not None:
        raise _wrong(KEY, f"is missing; {CERTIFICATE} names a certificate")
    if settings.key is not None:
        raise _wrong(CERTIFICATE, f"is missing; {KEY} names a key")
    if settings.client_ca is not None:
        raise _wrong(CERTIFICATE, f"is missing; {CLIENT_CA} asks clients for certificates, which needs TLS")


def _read(name: str, path: Path) -> bytes:
    try:
        return small_file.read(path)
    except OSError as error:
        raise _wrong(name, f"cannot read {path}: {error.strerror}") from None
    except small_file.Unfit as error:
        raise _wrong(name, f"{path} {error}") from None


def _check_certificates(name: str, path: Path, data: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=data.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise _wrong(name, f"{path} holds no certificate in PEM form") from None


def _load(context: ssl.SSLContext, chain: bytes, key: bytes, settings: TlsSettings) -> None:
    """NOTE: ssl reads files alone, and the named ones may be others by now: what was read is held against itself, in memory."""
    try:
        with _as_file(chain) as chain_file, _as_file(key) as key_file:
            context.load_cert_chain(chain_file, key_file, _no_passphrase)
    except _Encrypted:
        raise _wrong(KEY, f"{settings.key} is encrypted; give a key without a passphrase") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _wrong(KEY, f"{settings.key} is not the key of {settings.certificate}") from None
        raise _wrong(KEY, f"{settings.key} holds no private key in PEM form that goes with {settings.certificate}") from None


class _Encrypted(Exception):
    """A passphrase is asked for."""


def _no_passphrase() -> NoReturn:
    raise _Encrypted


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    handle = os.memfd_create("pem")
    try:
        os.write(handle, data)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _wrong(name: str, sentence: str) -> SettingsError:
    return SettingsError((f"{name}: {sentence}",))
