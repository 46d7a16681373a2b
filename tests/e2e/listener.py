"""A server's socket and the threads behind it."""
import socket
import threading


class Listener:
    """Listens on a free port of this host; serve(sock) has a thread for each connection, and closes
    it."""

    def __init__(self, serve, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.serve = serve
        self.socket = socket.create_server((host, 0), family=family, backlog=128)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def close(self):
        """The kernel may begin accept() anew for the thread that waits in it, by the descriptor's
        number: were it closed before the thread has ended, that could be the next listener's."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
