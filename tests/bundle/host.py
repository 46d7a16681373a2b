"""Hosts for tests/bundle/run: a user's folder behind Apache, on a machine that has nothing of what
the program needs."""
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

import harness
from harness import Skip
from upstream import Upstream

KEY = "sk-bundle-0123456789"
BACKEND = "backend.example"
SITE = "home/u/public_html"
PREFIX = "/ai"
OWNER = 54321           # the host's user; no user of this machine
DNS = "127.%d.%d.53" % (64 + os.getpid() % 128, os.getpid() // 128 % 256)  # of this run alone


def made(name):
    """A program that make check does not build by itself."""
    folder = os.environ.get("MESSAGES_BUILD", os.getcwd())
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-s", name], cwd=folder, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError(done.stdout)
    return os.path.join(folder, name)


class Names(threading.Thread):
    """A DNS server that knows one name."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((DNS, 53))
        except OSError as why:
            raise Skip("no DNS server can be had at %s: %s" % (DNS, why)) from None
        self.socket.settimeout(0.2)
        self.asked = 0
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            try:
                query, peer = self.socket.recvfrom(1024)
            except socket.timeout:
                continue
            end = query.index(b"\0", 12) + 1
            kind = struct.unpack(">H", query[end:end + 2])[0]
            known = kind == 1 and BACKEND.split(".")[0].encode() in query
            self.asked += 1
            answer = query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, known, 0, 0) + \
                query[12:end + 4]
            if known:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + \
                    socket.inet_aton("127.0.0.1")
            self.socket.sendto(answer, peer)

    def close(self):
        self.ended = True
        self.join()
        self.socket.close()


class TlsBackend(Upstream):
    """The scripted backend with a certificate for its name, by an authority of its own."""

    def __init__(self, folder):
        self.certificate = os.path.join(folder, "backend.pem")
        key = os.path.join(folder, "backend.key")
        subprocess.run([harness.find_tool("openssl"), "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-keyout", key, "-out", self.certificate, "-days", "30", "-subj",
                        "/CN=" + BACKEND, "-addext",
                        "subjectAltName=DNS:%s,DNS:localhost" % BACKEND],
                       check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        super().__init__()

    def _serve(self, sock, *args):
        try:
            super()._serve(self.context.wrap_socket(sock, server_side=True), *args)
        except OSError:
            pass


CONFIG = """
backends = { test = { dialect = "openai-chat"; base_url = "https://%(name)s:%(port)d/v1";
	api_key = "upstream-secret"; retries = 0; %(trust)s }; };
proxy_backend = "test";
models = { big = "scripted"; small = "scripted";
	map = ( { match = "claude-*"; to = "big"; } ); };
access = { keys = ( { name = "laptop"; sha256 = "%(sha)s";
	endpoints = [ "messages", "count_tokens", "models", "health", "doctor" ]; } ); };
log = { dir = ".htmessages.logs"; };
state = { dir = ".htmessages.state"; };
stream = { probe_interval = 1; };
security = { core_dumps = %(seen)s; };
"""


class Folder:
    """A folder of this test alone with the bundle unpacked at SITE/PREFIX below `top`: as an upload
    by FTP leaves it, where only messages.fcgi has been given the right to be run. Stands in for
    harness.Gateway where a server asks for its files."""

    def __init__(self, archive, empty):
        self.dir = tempfile.mkdtemp(prefix="messages-bundle-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.top = self.path("root")
        self.inside = self.path(SITE)       # by what name the empty root's processes know it
        self.site = self.top + self.inside
        self.bundle = self.site + PREFIX
        os.makedirs(self.site)
        subprocess.run(["tar", "-xzf", archive, "-C", self.site], check=True)
        os.rename(os.path.join(self.site, os.listdir(self.site)[0]), self.bundle)
        self.backend = TlsBackend(self.dir)
        for folder, _, names in os.walk(self.bundle):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o644)
        os.chmod(self.at("messages.fcgi"), 0o755)
        with open(self.backend.certificate) as f, open(self.at("lib/ca-certificates.crt"), "a") as to:
            to.write(f.read())
        self.configure(empty)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "%d:%d" % (OWNER, OWNER), self.site], check=True)

    def configure(self, empty):
        """In the empty root the bundle's own certificates are taken by themselves."""
        trust = "" if empty else 'ca_file = "lib/ca-certificates.crt";'
        with open(self.at(".htmessages.conf"), "w") as f:
            f.write(CONFIG % dict(name=BACKEND if empty else "localhost",
                                  trust=trust, port=self.backend.port,
                                  sha=harness.sha256(KEY),
                                  seen="false" if os.geteuid() == 0 else "true"))
        os.chmod(self.at(".htmessages.conf"), 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def at(self, name):
        return os.path.join(self.bundle, name)

    def close(self):
        self.backend.close()
        try:
            harness.wait_for(lambda: not harness.processes_below(self.dir), 30,
                             "every program has ended")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)


# ---- the empty root ----

ODDITIES = {    # of a machine whose own libraries would bring something along
    "etc/nsswitch.conf": "passwd: sss\nhosts: resolve [!UNAVAIL=return]\n",
    "etc/resolv.conf": "nameserver %s\n" % DNS,
    "etc/ld.so.preload": "/lib64/libhost.so\n",
    "usr/lib/ssl/openssl.cnf": "openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\n"
                               "activate = 1\n",
}


def can_empty():
    if os.geteuid() != 0:
        raise Skip("only root can change its root")
    if not os.path.exists("/usr/lib/apache2/suexec"):
        raise Skip("apache2-suexec-pristine is not installed")
    if os.statvfs("/tmp").f_flag & os.ST_NOSUID:
        raise Skip("/tmp is mounted nosuid")


def empty_root(folder):
    """What a host has besides the user's folder; no libraries, no certificates, no /proc."""
    for name, text in ODDITIES.items():
        path = os.path.join(folder.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    os.mkdir(os.path.join(folder.top, "dev"))
    for name, minor in (("null", 3), ("urandom", 9)):
        path = os.path.join(folder.top, "dev", name)
        os.mknod(path, 0o020666, os.makedev(1, minor))
        os.chmod(path, 0o666)
    os.makedirs(os.path.join(folder.top, "tmp"), exist_ok=True)
    os.chmod(os.path.join(folder.top, "tmp"), 0o1777)
    suexec = folder.top + "/usr/lib/apache2/suexec"
    os.makedirs(os.path.dirname(suexec))
    make_host(suexec)


def make_host(path):
    """The program that makes the surroundings of a host; for Apache alone."""
    shutil.copy(made("tests/bundle/host"), path)
    os.chown(path, 0, harness.user().pw_gid)
    os.chmod(path, 0o4750)


class Apache(harness.Apache):
    """The user's site, with the .htaccess that the bundle brings."""
    prefix = PREFIX
    htaccess = ".htaccess"

    def settings(self):
        site = self.document_root()
        if self.htaccess != ".htaccess":
            shutil.copy(self.gateway.at(self.htaccess), self.gateway.at(".htaccess"))
        return ["DocumentRoot \"%s\"" % site, "<Directory \"%s\">" % site, "Require all granted",
                "AllowOverride FileInfo AuthConfig Options=ExecCGI", "</Directory>"] + \
            self.of_module()

    def document_root(self):
        return self.gateway.site

    def of_module(self):
        return []


class Cgi(Apache):
    name = "cgi"
    modules = ("cgi",)
    mpm = "mpm_prefork"


class Fcgid(Apache):
    name = "fcgid"
    modules = ("fcgid",)
    htaccess = ".htaccess.fcgid"

    def of_module(self):
        return ["FcgidIPCDir \"%s\"" % self.gateway.path("ipc"),
                "FcgidProcessTableFile \"%s\"" % self.gateway.path("shm"),
                "FcgidOutputBufferSize 0", "FcgidMaxRequestLen 67108864"]


class EmptiedCgi(Cgi):
    """Apache goes into the empty root when it has started, and its children with it. The program is
    started by what stands there as suexec."""
    name = "empty-root-cgi"
    modules = ("cgi", "suexec")

    def document_root(self):
        os.makedirs(self.gateway.inside)    # Apache looks before it goes in
        return self.gateway.inside

    def of_module(self):
        empty_root(self.gateway)
        return ["ChrootDir \"%s\"" % self.gateway.top, "Mutex pthread default",
                "SuexecUserGroup \"#%d\" \"#%d\"" % (OWNER, OWNER)]


class EmptiedFcgid(Fcgid):
    """mod_fcgid's processes are made by one that stays outside."""
    name = "empty-root-fcgid"

    def of_module(self):
        empty_root(self.gateway)
        enter = self.gateway.path("enter")
        make_host(enter)
        command = " ".join((enter, self.gateway.top, self.gateway.inside + PREFIX, str(OWNER),
                            str(OWNER), "messages.fcgi"))
        return ["FcgidWrapper \"%s\" .fcgi" % command] + super().of_module()


class Suexec(Cgi):
    """Apache's own suexec, which is built for sites below /var/www: in a view of the file system of
    its own that is where the site lies."""
    name = "suexec"
    modules = ("cgi", "suexec")
    www = "/var/www"

    def document_root(self):
        return self.www + self.gateway.inside

    def of_module(self):
        if os.geteuid() != 0 or not os.path.exists("/usr/lib/apache2/suexec-pristine"):
            raise Skip("needs root and apache2-suexec-pristine")
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
            raise Skip("no view of the file system of its own can be had here")
        subprocess.run(["chown", "-R", "nobody:nogroup", self.gateway.site], check=True)
        return ["SuexecUserGroup nobody nogroup"]

    def run(self, *args, **kw):
        script = ('set -e; for d in /var/www /var/log/apache2; do mount -t tmpfs -o mode=755 none $d; '
                  'done; cp -a "$1"/. /var/www/; shift; exec "$@"')
        return super().run("unshare", "--mount", "sh", "-c", script, "sh", self.gateway.top, *args,
                           **kw)
