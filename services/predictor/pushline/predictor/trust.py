"""Who may ask, and over what: TLS and bearer tokens of all doors, read again when their files change.

Without settings of its own there is no TLS, and everybody may ask.
"""

from ipaddress import ip_address

import grpc

from pushline.predictor.settings import TrustSettings
from pushline.runtime.file_watch import FileWatch
from pushline.runtime.logs import Logger
from pushline.runtime.settings import SettingsError
from pushline.runtime.tls import Certificates, NewestContext, read_certificates
from pushline.runtime.tokens import Tokens

TOKENS_FILE = "PUSHLINE_TOKENS_FILE"
UNIX = "unix:"  # before the path of a socket, in place of an address to listen on


class Trust:
    """`tokens` is None where everybody may ask; `context` is None where there is no TLS. Both are of the newest files for ever."""

    def __init__(self, settings: TrustSettings, bind: str, log: Logger) -> None:
        """Raises SettingsError with one sentence."""
        self._settings, self._log = settings, log
        self._watches = []
        if settings.tls.files:
            self._watches.append(FileWatch(settings.tls.files, self._read_certificates))
        if settings.tokens_file is not None:
            self._watches.append(FileWatch([settings.tokens_file], self._read_tokens))
        self._certificates = read_certificates(settings.tls)
        self._shown = self._certificates  # by gRPC
        self.context = NewestContext(self._certificates.context) if self._certificates else None
        self.tokens = None if settings.tokens_file is None else Tokens(settings.tokens_file, TOKENS_FILE)
        if self.tokens is not None and self.context is None and not is_loopback(bind):
            log.warning(
                "TOKENS GO OVER THE NETWORK IN CLEAR: there is no TLS here, and others than this machine reach the ports; "
                "set PUSHLINE_TLS_CERTIFICATE and PUSHLINE_TLS_KEY",
                **{"labels.bind": bind},
            )

    def start(self) -> None:
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        for watch in self._watches:
            watch.stop()

    def listen(self, server: grpc.Server, address: str) -> int:
        """Give the port. Raises RuntimeError, as grpcio does, where the address cannot be listened on."""
        if self._certificates is None:
            return server.add_insecure_port(address)
        required = self._settings.tls.client_ca is not None
        credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(self._certificates),
            self._new_configuration,  # type: ignore[arg-type]  # the stubs do not know that it may give None
            require_client_authentication=required,
        )
        return server.add_secure_port(address, credentials)

    def _new_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """Is asked at each handshake; None: as before."""
        newest = self._certificates
        if newest is self._shown or newest is None:
            return None
        self._shown = newest
        return _configuration(newest)

    def _read_certificates(self) -> None:
        try:
            newest = read_certificates(self._settings.tls)
        except SettingsError as error:
            self._log.error("the new certificate is refused; the one before it is shown on", **{"error.message": str(error)})
            return
        if newest is not None and self.context is not None:
            self._certificates, self.context.newest = newest, newest.context
            self._log.info(
                "the new certificate is shown from now on", **{"labels.certificate": str(self._settings.tls.certificate)}
            )

    def _read_tokens(self) -> None:
        if self.tokens is None:
            return
        try:
            self.tokens.read_again()
        except SettingsError as error:
            self._log.error("the new tokens are refused; the ones before them count on", **{"error.message": str(error)})
            return
        self._log.info("the new tokens count from now on", **{"labels.tokens": ", ".join(self.tokens.names)})


def is_loopback(bind: str) -> bool:
    try:
        return bind == "localhost" or bind.startswith(UNIX) or ip_address(bind).is_loopback
    except ValueError:
        return False


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(certificates.key, certificates.chain)], certificates.client_ca)
