"""A server that sends a little now and then, for ever."""

import itertools
import socket
import threading
import time


class Dripper:
    """Sends the first bytes, then the others again and again, until `stop` or the client goes."""

    def __init__(self, first: bytes, again: bytes, pause_s: float = 0.02) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.sent_bytes = 0
        self._what = first, again, pause_s
        self._is_stopped = False
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Break off what is sent, and what is asked for from now on."""
        self._is_stopped = True

    def _serve(self) -> None:
        with self.listener:
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        first, again, pause_s = self._what
        with client:
            client.recv(65536)
            for piece in itertools.chain([first], itertools.repeat(again)):
                if self._is_stopped:
                    return
                try:
                    client.sendall(piece)
                except OSError:
                    return
                self.sent_bytes += len(piece)
                time.sleep(pause_s)
