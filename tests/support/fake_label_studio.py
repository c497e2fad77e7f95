"""A Label Studio on a real socket: its tokens, its paths, its answers as 1.23.2 gives them."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

WHOAMI = "/api/current-user/whoami"
LEGACY = "0123456789abcdef0123456789abcdef01234567"


def jwt(**claims: object) -> str:
    """A token of the right form; its signature is no one's."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    coded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*coded, "c2lnbmF0dXJl"])


PERSONAL = jwt(token_type="refresh", exp=8102577163, iat=1795377163, jti="52ec", user_id="1")


@dataclass
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    method: str
    path: str  # with its query
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


def as_json(value: object, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


class WebServer:
    """Answers `pages[path]`: a Reply, or a function of what was asked. Keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.pages: dict[str, Reply | Callable[[Asked], Reply]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(size))
                server.asked.append(asked)
                reply = server.reply(asked)
                self.send_response(reply.status)
                for name, value in {
                    "Content-Length": str(len(reply.body)),
                    **reply.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                if int(reply.headers.get("Content-Length", 0)) > len(reply.body):
                    self.close_connection = True  # promised more than it gives

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def do_PATCH(self) -> None:
                self.answer()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def reply(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        page = self.pages.get(asked.path) or self.pages.get(path) or Reply(b"not here", 404)
        return page if isinstance(page, Reply) else page(asked)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class FakeLabelStudio(WebServer):
    """Opens its pages, but `open_paths`, to the legacy token and to access tokens that it gave."""

    def __init__(self, sub_path: str = "") -> None:
        super().__init__()
        self.sub_path = sub_path
        self.url += sub_path
        self.access_life_s = 300
        self.is_legacy_allowed = True
        self.valid_access: set[str] = set()
        self.exchanges = 0
        self.backends: dict[int, dict[str, Any]] = {}  # by project, as `connect_backend` fills it
        self.webhooks: dict[int, list[dict[str, Any]]] = {}
        self.open_paths = {"/api/version", "/health", "/api/token/refresh/"}
        self.pages["/api/version"] = as_json({"release": "1.23.2"})
        self.pages[WHOAMI] = as_json({"id": 1, "email": "admin@example.com"})
        self.pages["/api/token/refresh/"] = self.exchange

    def reply(self, asked: Asked) -> Reply:
        if not asked.path.startswith(self.sub_path + "/"):
            return Reply(b"another program", 404)
        asked = Asked(
            asked.method, asked.path.removeprefix(self.sub_path), asked.headers, asked.body
        )
        if urlsplit(asked.path).path in self.open_paths or self.is_known(asked.authorization):
            return super().reply(asked)
        return as_json({"detail": "Authentication credentials were not provided."}, 401)

    def is_known(self, authorization: str | None) -> bool:
        kind, _, token = (authorization or "").partition(" ")
        if kind == "Token":
            return self.is_legacy_allowed and token == LEGACY
        return kind == "Bearer" and token in self.valid_access

    def exchange(self, asked: Asked) -> Reply:
        if json.loads(asked.body) != {"refresh": PERSONAL}:
            return as_json({"detail": "Token is invalid"}, 401)
        self.exchanges += 1
        issued_s = 1_795_377_164  # its clock is its own
        access = jwt(
            token_type="access",
            exp=issued_s + self.access_life_s,
            iat=issued_s,
            jti=str(self.exchanges),
        )
        self.valid_access.add(access)
        return as_json({"access": access})


def connect_backend(
    server: FakeLabelStudio,
    url: str,
    *,
    state: str = "CO",
    has_webhook: bool = True,
    project: int = 3,
    webhook: Mapping[str, object] = MappingProxyType({}),
    error_message: str | None = None,
) -> None:
    """Give a project an ML backend and a webhook, as GET /api/ml/ and /api/webhooks/ show them.

    Called again it adds another project, or changes this one. `webhook`: fields of the webhook.
    """
    readable_state = {"CO": "Connected", "ER": "Error"}.get(state, "Disconnected")
    server.backends[project] = {
        "id": project, "state": state, "readable_state": readable_state, "url": url,
        "project": project, "error_message": error_message,
    }  # fmt: skip
    row = {"id": project, "project": project, "url": f"{url}/webhook", "is_active": True}
    server.webhooks[project] = [row | dict(webhook)] if has_webhook else []
    numbers = [{"id": number} for number in server.backends]
    server.pages["/api/projects/"] = as_json({"count": len(numbers), "results": numbers})
    server.pages[f"/api/projects/{project}/"] = as_json({"id": project})
    server.pages[f"/api/ml/?project={project}"] = as_json([server.backends[project]])
    server.pages["/api/webhooks/"] = as_json(
        [row for rows in server.webhooks.values() for row in rows]
    )
