"""An MTA that takes mail and keeps it, or says what it is told to say."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """One mail, as it came."""

    mail_from: str
    recipient: str
    message: bytes


Script = Callable[[str, str], str | None]
"""Of a command (MAIL, RCPT, BEFORE DATA, DATA) and its argument: a reply, or None for the usual one. DATA's is that to
the mail; BREAK ends the connection there."""


class SmtpSink:
    """Serves on a port of its own until the ``with`` block ends."""

    def __init__(
        self,
        script: Script = lambda command, argument: None,
        certificate: tuple[Path, Path] | None = None,
        port: int = 0,
    ) -> None:
        """With `certificate` (and its key), STARTTLS and AUTH PLAIN are offered; `port` 0 is any that is free."""
        self.taken: list[Taken] = []
        self.logins: list[str] = []
        """User and password, NUL between them, of those who logged in."""
        self.script = script
        self._certificate = certificate
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # Who does not trust the certificate goes away in the middle.
                with suppress(ssl.SSLError):
                    sink._serve(self)

            def finish(self) -> None:
                with suppress(OSError, ValueError):
                    super().finish()
                self.request.close()

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> "SmtpSink":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, connection: socketserver.StreamRequestHandler) -> None:
        def say(text: str) -> None:
            connection.wfile.write(text.encode() + b"\r\n")
            connection.wfile.flush()

        say("220 sink")
        mail_from = recipient = ""
        while line := connection.rfile.readline():
            text = line.decode("utf-8", "replace").strip()
            command = text[:4].upper()
            if command == "EHLO" and self._certificate is not None:
                say("250-sink")
                say("250-AUTH PLAIN")
                say("250 STARTTLS")
                continue
            if command == "STAR" and self._certificate is not None:
                say("220 go on")
                self._encrypt(connection, *self._certificate)
                continue
            if command == "AUTH":
                self.logins.append(base64.b64decode(text.split()[2]).decode().lstrip("\0"))
                say("235 welcome")
                continue
            argument = text.partition(":")[2].strip().partition(" ")[0].strip("<>")
            if command == "QUIT":
                say("221 bye")
                return
            if command == "MAIL":
                mail_from = argument
            elif command == "RCPT":
                recipient = argument
            elif command == "DATA":
                refused = self.script("BEFORE DATA", recipient)
                if refused is not None:
                    say(refused)
                    continue
                say("354 go on")
                message = self._content(connection)
                reply = self.script("DATA", recipient) or "250 2.0.0 Ok: queued as 4XSINK"
                if reply == "BREAK":
                    return
                if reply.startswith("2"):
                    self.taken.append(Taken(mail_from, recipient, message))
                say(reply)
                continue
            say((self.script(command, argument) if command in ("MAIL", "RCPT") else None) or "250 ok")

    @staticmethod
    def _encrypt(connection: socketserver.StreamRequestHandler, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        connection.rfile.close()
        connection.wfile.close()
        secured = context.wrap_socket(connection.request, server_side=True)
        connection.request = secured
        connection.rfile, connection.wfile = secured.makefile("rb"), secured.makefile("wb")

    @staticmethod
    def _content(connection: socketserver.StreamRequestHandler) -> bytes:
        lines = []
        while (line := connection.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)
