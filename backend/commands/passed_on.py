"""The requests that other workers pass on to this one: a socket in the folder that they share."""

import socket
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher

from backend.worker_group import WorkerGroup


class PassedOn(UnixWSGIServer):
    """In the loop of the worker's server, with threads of its own.

    They pass nothing on, so that two workers never wait for each other's threads.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        group: WorkerGroup,
        *,
        map: dict[int, Any],
        dispatcher: ThreadedTaskDispatcher,
        max_body_bytes: int,
    ) -> None:
        self._group = group
        path = group.socket_of(group.own_name)
        listener = socket.socket(socket.AF_UNIX)
        group.note_end_of(group.own_name)  # of an earlier process with this number
        listener.bind(str(path))
        listener.listen(128)
        listener.setblocking(False)
        super().__init__(
            application,
            map=map,
            _sock=listener,
            dispatcher=dispatcher,
            adj=Adjustments(
                ident=None,
                asyncore_use_poll=True,
                max_request_body_size=max_body_bytes + 1,
                log_socket_errors=False,
            ),
            bind_socket=False,
        )

    def stop_listening(self) -> None:
        """Others answer from now on what they would have passed on."""
        self._group.note_end_of(self._group.own_name)
        self.del_channel()

    def is_needed(self) -> bool:
        """Whether a request is to be answered."""
        return any(
            one.requests or one.request or one.total_outbufs_len
            for one in self.active_channels.values()
        )
