"""A server that runs a function for each connection: for what is not HTTP, or breaks before it is."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], object]


@contextmanager
def listen(serve: Serve) -> Iterator[int]:
    """Listen on a port until the block ends, and close each connection after the function."""
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def read_request(connection: socket.socket) -> bytes:
    """Read the headers of a request."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(4096) or b"\r\n\r\n"
    return received


def reply_with(status_line: str, *headers: str) -> Serve:
    """Return a function that reads a request, and sends a response without a body."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        lines = [f"HTTP/1.1 {status_line}", "Content-Length: 0", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())

    return serve


def hang(connection: socket.socket) -> None:
    """Read until the client gives up, and send nothing."""
    while connection.recv(4096):
        pass
