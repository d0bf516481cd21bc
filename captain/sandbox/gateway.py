"""Serves the proxy of one box, in a thread with a loop of its own: commands use it while the host does other things."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

from anyio.from_thread import start_blocking_portal

from captain.core.policy import Network
from captain.sandbox.proxy import serve


class Gateway:
    """`listener` lies in the network of the box, which leads nowhere else; it stays the caller's."""

    def __init__(self, listener: int, network: Network) -> None:
        with ExitStack() as unless_begun:
            accepting = unless_begun.enter_context(socket.socket(fileno=os.dup(listener)))
            portal = unless_begun.enter_context(start_blocking_portal())
            serving = portal.start_task_soon(serve, accepting, network)
            unless_begun.callback(serving.cancel)
            self._running = unless_begun.pop_all()

    def close(self) -> None:
        """Ends every connection; may be called again."""
        self._running.close()
