"""A web server of this process with photos of noise and shapes, any number of any size."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from PIL import Image


class PhotoServer(ThreadingHTTPServer):
    """Answers /WIDTHxHEIGHT/NUMBER.jpg, each after `delay_s`."""

    daemon_threads = True

    def __init__(self, delay_s: float) -> None:
        self.kept: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            server: "PhotoServer"

            def do_GET(self) -> None:
                time.sleep(delay_s)
                body = self.server.photo(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def photo(self, path: str) -> bytes:
        if path not in self.kept:
            size, _, name = path.strip("/").partition("/")
            width, height = map(int, size.split("x"))
            rng = np.random.default_rng(int(name.removesuffix(".jpg")))
            coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            image = image // 2 + rng.integers(0, 25, image.shape, dtype=np.uint8)
            data = io.BytesIO()
            Image.fromarray(image).save(data, "JPEG", quality=92)
            self.kept[path] = data.getvalue()
        return self.kept[path]
