"""io: lines that a thread of its own writes, so that nobody waits for a disk; when it is too slow, lines are lost."""

from __future__ import annotations

import logging
import sys
from logging.handlers import QueueListener, WatchedFileHandler
from pathlib import Path
from queue import Full, Queue

import structlog

log = structlog.get_logger(__name__)

WAITING = 10_000
"""Lines that may wait to be written."""


class Lines:
    """Written to the end of a file, which may be moved away at any time (logrotate(8)); None: to standard error.

    Raises OSError where the file can't be opened.
    """

    def __init__(self, path: Path | None) -> None:
        handler = logging.StreamHandler(sys.stderr) if path is None else WatchedFileHandler(path, encoding="utf-8")
        self._queue: Queue[logging.LogRecord] = Queue(WAITING)
        self._listener = QueueListener(self._queue, handler)
        self._listener.start()
        self._handler = handler
        self._is_losing = False

    def write(self, line: str) -> None:
        """Have a line written soon, or lose it."""
        try:
            self._queue.put_nowait(logging.makeLogRecord({"msg": line}))
            self._is_losing = False
        except Full:
            if not self._is_losing:
                log.warning("the security log is too slow: lines are lost")
            self._is_losing = True

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._listener.stop()
        self._handler.close()
