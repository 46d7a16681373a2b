"""A stand-in for OpenWrt's uhttpd, which Debian has not: plain CGI as its cgi.c and proc.c do it.

A program gets these variables and no others, starts in the document root, must answer with a
"Status: NNN text" whose number has three digits and a text behind it, has script_timeout seconds for
its header, and is killed when its client leaves.
"""
import http.server
import os
import select
import socket
import subprocess
import threading

import harness

HEADERS = ("Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization",
           "Connection", "Cookie", "Host", "Origin", "Referer", "User-Agent",
           "X-HTTP-Method-Override")
SCRIPT = "/cgi-bin/messages.fcgi"
SCRIPT_TIMEOUT = 60


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site = None

    def log_message(self, *_):
        pass

    def variables(self):
        """All that is in the environment; what has no value is not there."""
        path, _, query = self.path.partition("?")
        env = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin", "GATEWAY_INTERFACE": "CGI/1.1",
               "SERVER_SOFTWARE": "uhttpd", "SCRIPT_NAME": SCRIPT,
               "SCRIPT_FILENAME": self.site + SCRIPT, "DOCUMENT_ROOT": self.site,
               "QUERY_STRING": query, "REQUEST_URI": self.path,
               "SERVER_PROTOCOL": self.request_version, "REQUEST_METHOD": self.command,
               "PATH_INFO": path[len(SCRIPT):], "REDIRECT_STATUS": "200",
               "SERVER_NAME": "127.0.0.1", "SERVER_ADDR": "127.0.0.1",
               "SERVER_PORT": str(self.server.server_port), "REMOTE_HOST": "127.0.0.1",
               "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": str(self.client_address[1]),
               "CONTENT_TYPE": self.headers["content-type"],
               "CONTENT_LENGTH": self.headers["content-length"]}
        env.update(("HTTP_" + name.upper().replace("-", "_"), self.headers[name])
                   for name in HEADERS)
        env.update((k, v) for k, v in os.environ.items() if k.endswith("SAN_OPTIONS"))
        return {k: v for k, v in env.items() if v is not None}

    def run_program(self):
        self.program = subprocess.Popen([self.site + SCRIPT], cwd=self.site, bufsize=0,
                                        env=self.variables(), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        threading.Thread(target=self.feed, args=(body,), daemon=True).start()
        timer = threading.Timer(SCRIPT_TIMEOUT, self.program.kill)
        timer.start()
        try:
            self.relay(timer)
        finally:
            timer.cancel()
            self.program.kill()
            self.program.wait()
            self.program.stdout.close()

    do_GET = do_POST = do_HEAD = do_OPTIONS = run_program

    def feed(self, body):
        try:
            with self.program.stdin as pipe:
                pipe.write(body)
        except OSError:
            pass

    def relay(self, timer):
        """The header, then each piece as it comes, until the program ends or the client leaves."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.program.stdout.read(4096)
            if not more:
                self.send_error(502, "The process did not produce any response")
                return
            head += more
        timer.cancel()
        head, _, rest = head.partition(b"\r\n\r\n")
        self.send_head(head.decode("latin-1").split("\r\n"))
        while rest and self.command != "HEAD":
            self.wfile.write(b"%x\r\n%s\r\n" % (len(rest), rest))
            rest = b"" if self.client_left() else self.program.stdout.read(4096)
        if self.command != "HEAD":
            self.wfile.write(b"0\r\n\r\n")

    def client_left(self):
        """Waits for the program or the client."""
        ready = select.select([self.program.stdout, self.connection], [], [])[0]
        self.close_connection |= self.program.stdout not in ready and \
            not self.connection.recv(1, socket.MSG_PEEK)
        return self.close_connection

    def send_head(self, lines):
        status, text, headers = 200, "OK", []
        for name, value in (line.split(": ", 1) for line in lines):
            if name != "Status":
                headers.append((name, value))
            elif value.find(" ") == 3:
                status, text = int(value[:3]), value[4:]
        self.send_response_only(status, text)
        for header in headers:
            self.send_header(*header)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()


class Uhttpd(harness.Server):
    """The program behind the script of docs/appliance.md: uhttpd hands on no variables of its own."""
    name = "uhttpd"
    prefix = SCRIPT

    def start(self):
        site = self.gateway.path("www")
        os.makedirs(site + "/cgi-bin")
        with open(site + SCRIPT, "w") as f:
            f.write("#!/bin/sh\nMESSAGES_CONF=%s exec %s\n" %
                    (self.gateway.config, self.gateway.program))
        os.chmod(site + SCRIPT, 0o755)
        handler = type("Here", (Handler,), {"site": site})
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.httpd.daemon_threads = True
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.httpd.server_close()
