"""IPv6 on both sides: the client comes over [::1] through real web servers, the backend listens on
[::1]; addresses are logged, believed and throttled as such."""
import functools
import http.client
import json
import socket

import harness
from client import events, message, text_of
from harness import KEY, Gateway
from test_limits import THROTTLE, limited
from test_processes import Setup
from upstream import Upstream

CLIENT = "2001:db8:1:%x::%x"


class Nginx(harness.Nginx):
    def write(self, name, text):
        old = "listen 127.0.0.1:%d;" % self.port
        return super().write(name, text.replace(old, "%s listen [::1]:%d;" % (old, self.port)))


class Lighttpd(harness.Lighttpd):
    def write(self, name, text):
        own = '\n$SERVER["socket"] == "[::1]:%d" { }\n' % self.port
        return super().write(name, text + own if "server.bind" in text else text)


class Six(Setup):
    def __init__(self, server_class, **settings):
        self.upstream = Upstream("::1")
        self.gateway = Gateway(self.upstream, base_url="http://[::1]:%d/v1" % self.upstream.port,
                               **settings)
        self.server = server_class(self.gateway)

    def ask(self, key=KEY, forwarded=None, **more):
        """The answer, its body unread, to a client on [::1]."""
        conn = http.client.HTTPConnection("::1", self.server.port, timeout=30)
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        if forwarded:
            headers["X-Forwarded-For"] = forwarded
        conn.request("POST", self.server.prefix + "/v1/messages", json.dumps(message(**more)),
                     headers)
        return conn.getresponse()

    def status(self, *args, **kw):
        with self.ask(*args, **kw) as response:
            response.read()
            return response.status

    def client_logged(self):
        with open(self.gateway.log) as f:
            return json.loads(f.readlines()[-1])["client"]


def where_there_is_ipv6(test):
    """No package brings ::1 to a machine that has none: that is no test left out."""
    @functools.wraps(test)
    def run():
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            return
        test()
    return run


@where_there_is_ipv6
def test_ipv6_on_both_sides():
    for server_class in (Nginx, Lighttpd):
        with Six(server_class, access=limited()) as s:
            with s.ask(stream=True) as response:
                assert response.status == 200
                assert text_of(events(response)) == "Hello there"
            assert s.status() == 200
            assert s.upstream.wait_call().headers["host"] == "[::1]:%d" % s.upstream.port
            assert s.status(key="wrong") == 401
            harness.wait_for(lambda: s.client_logged() == "::1", 5, "the client's address")


@where_there_is_ipv6
def test_ipv6_proxies_and_throttling():
    """Whom a trusted proxy on [::1] speaks for counts with its network of 64 bits; without trust
    they are all ::1."""
    for trusted in (True, False):
        access = limited() + THROTTLE + (' trusted_proxies = ( "::1" );' if trusted else "")
        with Six(Nginx, access=access) as s:
            for i in range(4):
                assert s.status("wrong-%d" % i, CLIENT % (2, i)) == 401
            assert s.status("wrong-x", CLIENT % (2, 0xffff)) == 429
            assert s.status("wrong-y", CLIENT % (3, 1)) == (401 if trusted else 429)
            assert s.status(forwarded=CLIENT % (2, 1)) == 200, "a valid key is let in"


@where_there_is_ipv6
def test_ipv6_local():
    """Mode "local" knows ::1 for this machine, and who comes from elsewhere through a proxy."""
    with Six(Nginx, access='mode = "local"; trusted_proxies = ( "::1" );') as s:
        assert s.status() == 200
        assert s.status(forwarded=CLIENT % (2, 1)) == 403
        assert s.status(forwarded="::1") == 200
