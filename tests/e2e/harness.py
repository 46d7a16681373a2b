"""Starts the gateway and the web servers for the tests: each server from the sample that the
project ships, with the values that a user would change put in. Everything is in a temporary
folder and on 127.0.0.1, and is stopped by process id.
"""
import glob
import grp
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY = "sk-e2e-0123456789"
ORIGIN = "https://app.example.org"
PREFIX = "/ai"


os.umask(0o022)     # servers read what is made here as another user


class Skip(Exception):
    """Raised where a test can't run here; says why."""


class Absent(Skip):
    """What it needs is no part of the sources and of no package."""


def program(name="messages.fcgi"):
    """make check runs in the build folder; MESSAGES_BUILD names another."""
    path = os.path.join(os.environ.get("MESSAGES_BUILD", os.getcwd()), name)
    if not os.access(path, os.X_OK):
        raise Skip("%s is not built" % path)
    return path


def find_tool(*names):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Skip("%s is not installed" % names[0])


RESERVED = []


def free_port():
    """Nobody listens there, and no other test gets it: its socket stays bound until this process
    ends, beside which a server that reuses addresses may bind its own."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    RESERVED.append(s)
    return s.getsockname()[1]


SLOWNESS = 4        # of a machine that has other work, against the seconds that tests name


def wait_for(condition, timeout, what):
    end = time.monotonic() + SLOWNESS * timeout
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError("%s within %s s" % (what, timeout))


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def stop(process, sig=signal.SIGTERM, timeout=15):
    """Ends a process that we started; returns its exit status."""
    if process.poll() is None:
        process.send_signal(sig)
    try:
        return process.wait(SLOWNESS * timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("%s did not end within %d s" % (process.args[0], timeout))


def user():
    """The user whom servers run programs as when the tests run as root."""
    for name in ("www-data", "http", "apache", "nginx", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise Skip("no user to run a web server as")


def private(path):
    """For the user whom servers run programs as, and nobody else."""
    if os.geteuid() == 0:
        os.chown(path, -1, user().pw_gid)
    os.chmod(path, 0o640)


KEYS = """mode = "keys"; keys = ( { name = "e2e"; sha256 = "%(sha)s"; } );
	origins = [ "%(origin)s" ];"""


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Gateway:
    """A folder with the program, its configuration and the servers' files. Settings are values of
    the configuration (see write), env is more of the program's environment."""

    def __init__(self, upstream, env=None, **settings):
        self.env = env or {}
        self.dir = tempfile.mkdtemp(prefix="messages-e2e-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.program = self.path("messages.fcgi")
        shutil.copy(program(), self.program)
        os.chmod(self.program, 0o755)
        self.config = self.path("messages.conf")
        self.log = self.path("gateway.log")
        self.state = self.path("state")
        os.mkdir(self.state)
        open(self.log, "w").close()
        for path in (self.state, self.log):
            os.chmod(path, 0o777)
        self.upstream = upstream
        self.settings = settings
        self.write()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, **changes):
        """Writes the configuration in one step, as an editor would."""
        values = dict(commit_after=25, ping_interval=1, probe_interval=1, shutdown_grace=3,
                      client_write_timeout=60, model="scripted", dialect="openai-chat",
                      base_url="http://127.0.0.1:%d/v1" % self.upstream.port, backend="retries = 0;",
                      key='api_key = "upstream-secret";',
                      access=KEYS % dict(sha=sha256(KEY), origin=ORIGIN), log_level="info", more="",
                      log=self.log, state=self.state)
        values.update(self.settings, **changes)
        text = """
proxy_backend = "test";
models = { big = "%(model)s"; small = "%(model)s";
	map = ( { match = "claude-*"; to = "big"; } ); };
backends = { test = { dialect = "%(dialect)s"; base_url = "%(base_url)s";
	%(key)s %(backend)s }; };
access = { %(access)s };
stream = { commit_after = %(commit_after)d; ping_interval = %(ping_interval)d;
	probe_interval = %(probe_interval)d; };
shutdown_grace = %(shutdown_grace)d;
client_write_timeout = %(client_write_timeout)d;
log = { level = "%(log_level)s"; dest = "%(log)s"; };
state = { dir = "%(state)s"; };
%(more)s
""" % values
        self.replace(text)

    def replace(self, text):
        with open(self.config + ".new", "w") as f:
            f.write(text)
        private(self.config + ".new")
        os.rename(self.config + ".new", self.config)

    def spawn(self, name="gateway.sock"):
        """The program on a Unix socket as its descriptor 0, as spawn-fcgi and others leave it."""
        path = self.path(name)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(128)
            os.chmod(path, 0o666)
            process = self.serve(listener)
        return path, process

    def spawn_tcp(self):
        """The same on a port of loopback."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            process = self.serve(listener)
            return listener.getsockname()[1], process

    def serve(self, listener):
        return subprocess.Popen([self.program, "--config", self.config], stdin=listener,
                                env=clean_env(**self.env),
                                stderr=open(self.path("stderr.log"), "ab"))

    def close(self):
        """Waits for the programs that a web server has left to end by themselves. A sanitizer looks
        for leaks at their end, and what it finds is in the server's log where the server passes no
        environment on."""
        try:
            wait_for(lambda: not processes_below(self.dir), 30, "every program has ended")
            self.look_for_reports()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def show_logs(self):
        """The ends of its own and its server's, for whoever reads why a test failed."""
        for path in sorted(glob.glob(self.path("*.log"))):
            with open(path, errors="replace") as f:
                text = f.read()[-3000:]
            if text:
                print("---- %s\n%s" % (os.path.basename(path), text))

    def look_for_reports(self):
        for path in glob.glob(self.path("*.log")):
            with open(path, errors="replace") as f:
                text = f.read()
            found = re.search(r"ERROR: \w+Sanitizer|runtime error:", text)
            if found:
                raise AssertionError(text[found.start():][:4000])


def clean_env(**more):
    """An environment without the caller's own keys and settings."""
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(more)
    return env


class Server:
    """A web server in front of the gateway. gone_after: how many seconds it may take to learn that
    a client has left. encoded_slashes: whether a %2F in the path arrives at all."""

    name = ""
    gone_after = 6
    encoded_slashes = True
    prefix = PREFIX
    base = property(lambda self: "http://127.0.0.1:%d%s" % (self.port, self.prefix))
    trust = {}          # variables by which programs trust its certificate

    def __init__(self, gateway):
        self.gateway = gateway
        self.port = free_port()
        self.processes = []

    def sample(self, name, literals=()):
        """A shipped file with the values that a user would change replaced."""
        with open(os.path.join(SOURCE, name)) as f:
            text = f.read()
        for old, new in dict(literals).items():
            if old not in text:
                raise AssertionError("%s has no %r" % (name, old))
            text = text.replace(old, new)
        return text

    def write(self, name, text):
        path = self.gateway.path(name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def run(self, *args, **kw):
        log = open(self.gateway.path(self.name + ".log"), "ab")
        env = clean_env(**kw.pop("env", {}))
        # In a session of its own, because Apache ends its whole process group, ours included.
        process = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env,
                                   cwd=self.gateway.dir, start_new_session=True, **kw)
        self.processes.append(process)
        return process

    def spawn_gateway(self):
        path, process = self.gateway.spawn(self.name + ".sock")
        self.processes.append(process)
        return path

    def __enter__(self):
        try:
            self.start()
            wait_for(lambda: self.died() or listens(self.port), 10, "%s listens" % self.name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def died(self):
        for process in self.processes:
            if process.poll() is not None:
                with open(self.gateway.path(self.name + ".log"), errors="replace") as f:
                    raise AssertionError("%s ended: %s" % (process.args[0], f.read()[-2000:]))

    def __exit__(self, *_):
        while self.processes:
            stop(self.processes.pop(), self.stop_signal)

    stop_signal = signal.SIGTERM


class Lighttpd(Server):
    name = "lighttpd"
    file = "lighttpd/messages.conf"

    def start(self):
        tool = find_tool("lighttpd")
        text = self.sample(self.file)
        for name, value in self.values().items():
            text, n = re.subn(r'(?m)^(var\.messages_%s\s*=\s*)".*"$' % name, r'\1"%s"' % value, text)
            if n != 1:
                raise AssertionError("%s has no variable %s" % (self.file, name))
        sample = self.write(self.name + "-sample.conf", text)
        own = self.write(self.name + ".conf", """
server.document-root = "%s"
server.upload-dirs = ( "%s" )
server.bind = "127.0.0.1"
server.port = %d
include "%s"
""" % (self.gateway.dir, self.gateway.dir, self.port, sample))
        self.run(tool, "-D", "-f", own)

    def values(self):
        return {"program": self.gateway.program, "config": self.gateway.config,
                "prefix": self.prefix or "/", "socket": self.gateway.path(self.name + ".sock")}


class LighttpdRoot(Lighttpd):
    """The whole site."""
    name = "lighttpd-root"
    prefix = ""


class LighttpdSpawned(Lighttpd):
    name = "lighttpd-spawn-fcgi"
    file = "lighttpd/spawn-fcgi.conf"

    def start(self):
        path = self.gateway.path(self.name + ".sock")
        self.processes.append(spawn_fcgi(self.gateway, path))
        wait_for(lambda: os.path.exists(path) and os.stat(path).st_mode & 0o002, 10,
                 "spawn-fcgi listens")
        super().start()

    def values(self):
        return {"prefix": self.prefix, "socket": self.gateway.path(self.name + ".sock")}


def spawn_fcgi(gateway, path):
    """As the sample says, but in the foreground."""
    return subprocess.Popen(
        [find_tool("spawn-fcgi"), "-n", "-s", path, "-M", "0666", "--", gateway.program],
        env=clean_env(MESSAGES_CONF=gateway.config), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=open(gateway.path("spawn-fcgi.log"), "ab"))


class Apache(Server):
    modules = ()
    mpm = "mpm_event"
    io_timeout = 120

    def start(self):
        tool = find_tool("apache2", "httpd")
        text = ["ServerRoot \"%s\"" % self.gateway.dir, "ServerName 127.0.0.1",
                "PidFile \"%s\"" % self.gateway.path(self.name + ".pid"),
                # Not "file", which is fcntl: it takes threads of two processes for a deadlock.
                "Mutex flock:%s default" % self.gateway.dir,
                "ErrorLog \"%s\"" % self.gateway.path(self.name + "-error.log"),
                "DefaultRuntimeDir \"%s\"" % self.gateway.dir, "LogLevel warn",
                "Listen 127.0.0.1:%d" % self.port]
        text += [line for m in (self.mpm, "authz_core", "unixd", "alias", "env", "setenvif",
                                "mime", "rewrite") + tuple(self.modules)
                 for line in self.load(tool, m)]
        text += ["TypesConfig \"%s\"" % self.write("mime.types", "")]
        if os.geteuid() == 0:
            text += ["User %s" % user().pw_name, "Group %s" % grp.getgrgid(user().pw_gid).gr_name]
        text += ["<Directory />", "Require all denied", "AllowOverride None", "</Directory>",
                 "<FilesMatch \"^\\.ht\">", "Require all denied", "</FilesMatch>"]
        text += self.settings()
        self.run(tool, "-d", self.gateway.dir, "-f", self.write(self.name + ".conf",
                 "\n".join(text) + "\n"), "-DFOREGROUND")

    @staticmethod
    def load(tool, module):
        for folder in ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules",
                       "/usr/lib/httpd/modules", "/usr/libexec/apache2"):
            path = "%s/mod_%s.so" % (folder, module)
            if os.path.exists(path):
                return ["LoadModule %s_module %s" % (module, path)]
        builtin = subprocess.run([tool, "-l"], capture_output=True, text=True).stdout
        if "mod_%s.c" % module in builtin:
            return []
        raise Skip("Apache's mod_%s is not installed" % module)

    def defines(self, **values):
        values.update(LISTEN="127.0.0.1:%d" % self.port, HOST="127.0.0.1", PREFIX=self.prefix)
        return ["Define MESSAGES_%s \"%s\"" % v for v in values.items()]


class ApacheFcgid(Apache):
    name = "apache-mod_fcgid"
    modules = ("fcgid",)

    def settings(self):
        return ["FcgidIPCDir \"%s\"" % self.gateway.path(self.name + "-ipc"),
                "FcgidProcessTableFile \"%s\"" % self.gateway.path(self.name + "-shm")] + \
            self.defines(PROGRAM=self.gateway.program, CONFIG=self.gateway.config,
                         IO_TIMEOUT=self.io_timeout) + \
            ["Include \"%s\"" % os.path.join(SOURCE, "apache/mod_fcgid.conf")]


class ApacheProxy(Apache):
    name = "apache-mod_proxy_fcgi"
    modules = ("proxy", "proxy_fcgi")

    def settings(self):
        return self.defines(SOCKET=self.spawn_gateway()) + \
            ["Include \"%s\"" % os.path.join(SOURCE, "apache/mod_proxy_fcgi.conf")]


class ApacheCgi(Apache):
    """A shared host: the sample is the .htaccess of a folder that holds the program."""
    name = "apache-cgi-htaccess"
    encoded_slashes = False     # AllowEncodedSlashes is the server's
    modules = ("cgid",)
    file = "apache/htaccess"
    drop = None     # a line of the sample that this host's user has left out

    def settings(self):
        site = self.gateway.path(self.name + "-site")
        folder = site + self.prefix
        os.makedirs(folder)
        shutil.copy(self.gateway.program, folder)
        with open(folder + "/.htaccess", "w") as f:
            f.write(self.sample(self.file, {self.drop: ""} if self.drop else {}))
        shutil.copy(self.gateway.config, folder + "/.htmessages.conf")
        private(folder + "/.htmessages.conf")
        return ["DocumentRoot \"%s\"" % site, "<Directory \"%s\">" % site, "Require all granted",
                "AllowOverride FileInfo AuthConfig Options=ExecCGI", "</Directory>"] + self.server()

    def server(self):
        return ["ScriptSock \"%s\"" % self.gateway.path(self.name + ".cgisock")]


class ApacheModCgi(ApacheCgi):
    """The same with the other CGI module, where each request forks off the server's own process."""
    name = "apache-mod_cgi-htaccess"
    modules = ("cgi",)
    mpm = "mpm_prefork"

    def server(self):
        return []


class ApacheHtaccessFcgid(ApacheCgi):
    """The same with mod_fcgid, on a host that has made the two settings."""
    name = "apache-fcgid-htaccess"
    modules = ("fcgid",)
    file = "apache/htaccess.fcgid"

    def server(self):
        return ["FcgidIPCDir \"%s\"" % self.gateway.path(self.name + "-ipc"),
                "FcgidProcessTableFile \"%s\"" % self.gateway.path(self.name + "-shm"),
                "FcgidOutputBufferSize 0", "FcgidMaxRequestLen 67108864"]


class Nginx(Server):
    name = "nginx"
    gone_after = 2

    def start(self):
        tool = find_tool("nginx")
        if not os.path.exists("/etc/nginx/fastcgi_params"):
            raise Skip("nginx's fastcgi_params are not installed")
        shutil.copy("/etc/nginx/fastcgi_params", self.gateway.dir)
        site = self.sample("conf/nginx.conf", literals={
            "unix:/run/messages-fcgi.sock": self.address(),
            "listen 80;": "listen 127.0.0.1:%d;" % self.port})
        temp = "".join("%s_temp_path %s;\n" % (kind, self.gateway.path("nginx-" + kind))
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        own = self.write("nginx.conf", """
daemon off;
pid %s;
error_log %s;
%s
events { }
http {
%saccess_log off;
%s
}
""" % (self.gateway.path("nginx.pid"), self.gateway.path("nginx-error.log"),
       "user %s;" % user().pw_name if os.geteuid() == 0 else "", temp, site))
        self.run(tool, "-p", self.gateway.dir, "-c", own)

    def address(self):
        return "unix:" + self.spawn_gateway()


class NginxTcp(Nginx):
    """The program on another machine, as it were."""
    name = "nginx-tcp"

    def address(self):
        port, process = self.gateway.spawn_tcp()
        self.processes.append(process)
        return "127.0.0.1:%d" % port


class Caddy(Server):
    name = "caddy"
    gone_after = 12

    def start(self):
        tool = find_tool("caddy")
        sample = "{\n\tadmin off\n\tauto_https off\n}\n" + self.sample("conf/Caddyfile")
        env = {"MESSAGES_ADDRESS": "http://127.0.0.1:%d" % self.port,
               "MESSAGES_PREFIX": self.prefix,
               "MESSAGES_SOCKET": "unix/" + self.spawn_gateway(),
               "HOME": self.gateway.dir, "XDG_DATA_HOME": self.gateway.dir,
               "XDG_CONFIG_HOME": self.gateway.dir}
        self.run(tool, "run", "--adapter", "caddyfile", "--config",
                 self.write("Caddyfile", sample), env=env)


SERVERS = [Lighttpd, LighttpdRoot, LighttpdSpawned, ApacheFcgid, ApacheProxy, ApacheCgi,
           ApacheModCgi, ApacheHtaccessFcgid, Nginx, Caddy]


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def processes_below(folder):
    """Ids of processes whose program lies in the folder: what a test must not leave behind."""
    found = []
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(exe).startswith(folder + "/"):
                found.append(int(exe.split("/")[2]))
        except OSError:
            pass
    return found
