"""A filter that is only asked whether it is there."""

import contextlib
import socket
import struct
import threading

AGREES = struct.pack("!IcIII", 13, b"O", 6, 0, 0)


class AnsweringFilter:
    """It says the same to whoever asks, and takes no mail; by default it agrees to everything."""

    def __init__(self, listening: socket.socket, answer: bytes = AGREES) -> None:
        self._listening = listening
        self._answer = answer
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1024)
                self.asked += 1
                connection.sendall(self._answer)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        # A thread that waits in accept() is woken by this, not by closing.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
