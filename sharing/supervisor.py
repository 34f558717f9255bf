"""What a daemon tells systemd, where systemd has started it: ready, alive, stopping (sd_notify(3)).

Rules of this module:

- One datagram a message, to the socket that ``NOTIFY_SOCKET`` names; without it, or when nobody listens any
  more, nothing is said and nothing fails.
- *Alive* is said by the loop that does the work, when it has come round: a loop that hangs says nothing, and
  the watchdog ends the process. There is no timer and no thread here.
"""

import os
import socket
from collections.abc import Mapping

NOTIFY_SOCKET = "NOTIFY_SOCKET"


class Supervisor:
    """The way to whoever supervises this process. `environment`: the process's own."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get(NOTIFY_SOCKET, "")
        self._ready = False

    def ready(self) -> None:
        """The process serves, or waits for those whom it serves; said once."""
        if not self._ready:
            self._ready = True
            self._tell("READY=1")

    def alive(self, status: str = "") -> None:
        """The loop has come round; `status` is shown by ``systemctl status``."""
        self._tell("WATCHDOG=1", *([f"STATUS={status}"] if status else []))

    def stopping(self) -> None:
        """The process ends in order."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of a name outside the file system (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), address)
        except OSError:
            pass
