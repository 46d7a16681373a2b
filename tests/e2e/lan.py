"""lighttpd from whole configurations: lighttpd/lan.conf, with TLS and a certificate made by the
command in its head, and conf/container.conf."""
import os
import re
import ssl
import subprocess

import client
import harness
from harness import Server, find_tool, free_port, user, wait_for


def sample_command(text):
    """The command of the sample's head that makes the certificate, as one line."""
    lines = text[text.index("openssl req"):text.index("\n#\n# 2.")].splitlines()
    return " ".join(line.strip("#\\ \t") for line in lines)


class LighttpdLan(Server):
    name = "lighttpd-lan"
    prefix = ""
    config = None       # of the program; None: the gateway's
    replacing = {}      # further lines of the sample: name and value

    def start(self):
        if os.geteuid():
            raise harness.Skip("lan.conf changes the user, which only root can")
        for module in ("openssl", "redirect", "fastcgi"):
            self.needs_module(module)
        text = self.sample("lighttpd/lan.conf")
        self.make_certificate(text)
        self.plain_port = free_port()
        for name, value in dict(self.values(), **self.replacing).items():
            text, n = re.subn(r"(?m)^(\s*%s\s*=\s*).*$" % re.escape(name),
                              lambda m, v=value: m[1] + v, text)
            if n != 1:
                raise AssertionError("lan.conf has no line of its own for %s" % name)
        self.run(find_tool("lighttpd"), "-D", "-f", self.write("lan.conf", text))

    @staticmethod
    def needs_module(name):
        """redirect and fastcgi may be part of the program, depending on the version."""
        folders = ["/usr/lib/lighttpd", "/usr/lib64/lighttpd"]
        there = any(os.path.exists("%s/mod_%s.so" % (f, name)) for f in folders)
        if name == "openssl" and not there:
            raise harness.Skip("lighttpd's mod_openssl is not installed")

    def values(self):
        def quoted(text):
            return '"%s"' % text

        return {"var.messages_program": quoted(self.gateway.program),
                "var.messages_config": quoted(self.config or self.gateway.config),
                "var.messages_url": quoted("https://127.0.0.1:%d" % self.port),
                "var.messages_plain": quoted("127.0.0.1:%d" % self.plain_port),
                "var.messages_socket": quoted(os.path.join(self.gateway.state, "lan.sock")),
                "var.messages_crt": quoted(self.gateway.path("lan.crt")),
                "var.messages_key": quoted(self.gateway.path("lan.key")),
                "server.bind": quoted("127.0.0.1"), "server.port": str(self.port),
                "server.username": quoted(user().pw_name),
                "server.groupname": quoted(harness.grp.getgrgid(user().pw_gid).gr_name),
                "server.upload-dirs": '( "%s" )' % self.gateway.state,
                "server.errorlog-use-syslog": '"disable"'}

    def make_certificate(self, text):
        command = sample_command(text).replace("/etc/messages", self.gateway.dir)
        command = command.replace("192.168.1.1", "127.0.0.1")
        find_tool("openssl")
        subprocess.run(["sh", "-ec", command], check=True, capture_output=True)
        self.crt = self.gateway.path("lan.crt")
        client.TLS[self.port] = ssl.create_default_context(cafile=self.crt)

    @property
    def base(self):
        return "https://127.0.0.1:%d" % self.port

    @property
    def trust(self):
        """Variables by which programs trust the certificate."""
        return {"SSL_CERT_FILE": self.crt, "NODE_EXTRA_CA_CERTS": self.crt}

    def __exit__(self, *args):
        super().__exit__(*args)
        client.TLS.pop(self.port, None)
        wait_for(lambda: not harness.listens(self.port), 10, "lighttpd has ended")


class Container(Server):
    """lighttpd of conf/Containerfile's image: its variables reach the program."""
    name = "container"
    prefix = ""
    variables = {}

    def start(self):
        text = self.sample("conf/container.conf", {
            "= 8080": "= %d" % self.port, '"0.0.0.0"': '"127.0.0.1"',
            "/usr/bin/messages.fcgi": self.gateway.program,
            "/tmp/messages.sock": self.gateway.path("container.sock"),
            '( "/tmp" )': '( "%s" )' % self.gateway.state})
        self.run(find_tool("lighttpd"), "-D", "-f", self.write("container.conf", text),
                 env=dict(self.variables, MESSAGES_CONF=self.gateway.config))
