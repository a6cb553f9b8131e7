"""The application behind a real HTTP server on loopback, for tests in which somebody else calls it too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from apiflask import APIFlask
from werkzeug.serving import make_server

from payments.simulator import QuietHandler


@contextmanager
def serving(app: APIFlask) -> Iterator[str]:
    """Serve the application on a free port while the block runs; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
