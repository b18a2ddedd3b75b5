"""A command line for kazoo: one command a line, answered by one line; events of watched nodes in between."""

import sys

from kazoo.client import KazooClient


def say(*words):
    print(*words, flush=True)


def watch(zk, path):
    first = True

    # kazoo's own recipe: it reads again when a session has moved, as one-shot watches of kazoo do not.
    @zk.DataWatch(path)
    def changed(data, stat):
        nonlocal first
        say("watching" if first else "changed", path, data.decode())
        first = False


def main():
    # Over TLS with the issuer of the servers' certificates, and perhaps an own certificate and its
    # key.
    tls = dict(zip(("ca", "certfile", "keyfile"), sys.argv[2:]))
    zk = KazooClient(sys.argv[1], timeout=30, use_ssl=bool(tls), **tls)
    zk.start(timeout=60)
    say("connected")
    for line in sys.stdin:
        command, path, *value = line.split()
        value = value[0].encode() if value else b""
        if command == "ephemeral":
            say("created", zk.retry(zk.create, path, value, ephemeral=True))
        elif command == "create":
            say("created", zk.retry(zk.create, path, value))
        elif command == "watch":
            watch(zk, path)
        elif command == "get":
            say("value", zk.retry(zk.get, path)[0].decode())
        elif command == "set":
            say("version", zk.retry(zk.set, path, value).version)
        else:
            sys.exit(f"no such command: {command}")


main()
