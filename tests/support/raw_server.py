"""A server that writes given bytes, HTTP or not."""

import socket
import threading
import time


class RawServer:
    """Writes bytes to the one client that comes, and hangs up."""

    def __init__(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        self.sent_bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/a.png"
        self._thread = threading.Thread(target=self._serve, args=(pieces, pause_s))
        self._thread.start()

    def _serve(self, pieces: tuple[bytes, ...], pause_s: float) -> None:
        with self._listener, self._listener.accept()[0] as client:
            client.recv(65536)
            try:
                for piece in pieces:
                    client.sendall(piece)
                    self.sent_bytes += len(piece)
                    time.sleep(pause_s)
            except OSError:  # the client hung up, as it should
                pass

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
