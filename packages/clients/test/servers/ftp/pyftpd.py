"""pyftpdlib with the manners of other servers: `pyftpd.py PORT DIRECTORY MODE [CERTIFICATE KEY]`."""
import asynchat
import os
import sys
import time

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

port, directory, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]
Base = TLS_FTPHandler if mode == "tls" else FTPHandler


class DosFiles(AbstractedFS):
    """LIST as IIS prints it."""

    def format_list(self, basedir, listing, ignore_err=True):
        for name in listing:
            stat = os.stat(os.path.join(basedir, name))
            when = time.strftime("%m-%d-%y  %I:%M%p", time.gmtime(stat.st_mtime))
            size = "      <DIR>         " if os.path.isdir(os.path.join(basedir, name)) else "%20d" % stat.st_size
            yield ("%s %s %s\r\n" % (when, size, name)).encode("utf8")


class Latin1Files(AbstractedFS):
    """Listings in Latin-1, while the disk has UTF-8."""

    def format_list(self, *args, **options):
        for line in super().format_list(*args, **options):
            yield line.decode("utf8").encode("latin-1", "replace")

    def format_mlsx(self, *args, **options):
        for line in super().format_mlsx(*args, **options):
            yield line.decode("utf8").encode("latin-1", "replace")


class Handler(Base):
    proto_cmds = dict(Base.proto_cmds)


class Latin1Handler(Handler):
    def decode(self, data):
        return data.decode("latin-1")

    def push(self, text):
        asynchat.async_chat.push(self, text.encode("latin-1", "replace"))


handler = Latin1Handler if mode == "latin1" else Handler
authorizer = DummyAuthorizer()
authorizer.add_user("me", "secret", directory, perm="elradfmwMT")
handler.authorizer = authorizer
if mode == "dos":
    handler.abstracted_fs = DosFiles
    for verb in ("MLSD", "MLST"):
        del handler.proto_cmds[verb]
elif mode == "latin1":
    handler.abstracted_fs = Latin1Files
elif mode == "no-epsv":
    del handler.proto_cmds["EPSV"]
elif mode == "epsv-only":
    del handler.proto_cmds["PASV"]
elif mode == "bad-pasv":
    # As of a server behind a NAT: nobody answers at the address.
    handler.masquerade_address = "192.0.2.1"
    del handler.proto_cmds["EPSV"]
elif mode == "tls":
    handler.certfile, handler.keyfile = sys.argv[4:6]
    handler.tls_control_required = True
    handler.tls_data_required = True

FTPServer(("127.0.0.1", port), handler).serve_forever()
