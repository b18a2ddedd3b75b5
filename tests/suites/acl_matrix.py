#!/usr/bin/env python3
"""Who may do what, asked of two services, and where they differ.

    acl_matrix.py HOST:PORT HOST:PORT      for example Apache ZooKeeper and Vivarium
    acl_matrix.py HOST:PORT                prints the answers of one

Every operation and every event of a watch is tried with every permission, for every entry of an
ACL, by every identity. Both services need
`DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=` (super:test), and have
to be new: the nodes are made below /acl. Needs kazoo (tests/suites/kazoo.sh installs it).

Exit status 0 if both answer the same, 1 if they do not.
"""
import sys
import threading
from itertools import product

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import ACL, Id, make_digest_acl_credential

ANNE, BOB, SUPER = "anne:secret", "bob:secret", "super:test"
IDENTITIES = {"nobody": [], "anne": [ANNE], "anne and bob": [ANNE, BOB], "super": [SUPER]}
ENTRIES = {
    "world": ("world", "anyone"),
    "anne": ("digest", make_digest_acl_credential("anne", "secret")),
    "bob": ("digest", make_digest_acl_credential("bob", "secret")),
    "here": ("ip", "127.0.0.1"),
    "net": ("ip", "127.0.0.0/8"),
    "elsewhere": ("ip", "10.0.0.0/8"),
    "v6": ("ip", "::1/64"),
}
PERMISSIONS = {"none": 0, "read": 1, "write": 2, "create": 4, "delete": 8, "admin": 16, "all": 31}
OPEN = ACL(31, Id("world", "anyone"))
# What fixup makes of an ACL that a client sends, by the answer.
SENT = {
    "auth": [("auth", "")],
    "twice": [("world", "anyone"), ("world", "anyone")],
    "someone": [("world", "someone")],
    "no hash": [("digest", "anne")],
    "three parts": [("digest", "a:b:c")],
    "bad network": [("ip", "10.0.0.0/33")],
    "name": [("ip", "localhost")],
    "super": [("super", "")],
    "sasl": [("sasl", "bob")],
    "x509": [("x509", "CN=bob")],
    "unknown": [("kerberos", "bob")],
}


def attempt(what):
    try:
        found = what()
    except KazooException as error:
        return type(error).__name__
    return "ok" if found is None else found


def operations(client, path):
    """Each with what it needs of the node (its child is open)."""
    child = path + "/child"

    def check():
        transaction = client.transaction()
        transaction.check(path, -1)
        return [type(result).__name__ for result in transaction.commit()]

    def shown():
        acls, _ = client.get_acls(path)
        return sorted((acl.perms, acl.id.scheme, acl.id.id) for acl in acls)

    yield "exists", lambda: client.exists(path) and None
    yield "get", lambda: client.get(path) and None
    yield "children", lambda: client.get_children(path) and None
    yield "acl", shown
    yield "check", check
    yield "set", lambda: client.set(path, b"2") and None
    yield "create", lambda: client.create(path + "/new", acl=[OPEN]) and None
    yield "delete child", lambda: client.delete(child) and None
    yield "set acl", lambda: client.set_acls(path, [OPEN]) and None


def events(root, client, path, acl):
    """Which changes of a node with this ACL the client is told of."""
    told = []

    def watch(event):
        told.append(event.type)

    def settled():
        # Events come before the answer to what is asked behind the change, by this connection.
        client.sync("/")
        client.exists("/")
        done = threading.Event()
        client.handler.dispatch_callback(Done(done))
        done.wait(10)
        found = ",".join(told) or "nothing"
        told.clear()
        return found

    client.exists(path, watch=watch)
    root.create(path, b"1", acl=acl)
    yield "created", settled()
    for name, change in [
        ("changed", lambda: root.set(path, b"2")),
        ("deleted", lambda: root.delete(path)),
    ]:
        # The watch is set while everybody may, and fires when they may not.
        root.set_acls(path, [OPEN])
        client.exists(path, watch=watch)
        root.set_acls(path, acl)
        change()
        yield name, settled()
    root.create(path, b"1", acl=[OPEN])
    client.get_children(path, watch=watch)
    root.set_acls(path, acl)
    root.create(path + "/child", b"", acl=[OPEN])
    yield "child", settled()


class Done:
    """A callback of kazoo's that says that those before it have run."""

    def __init__(self, event):
        self.type, self.func, self.args = "callback", event.set, ()


def connect(server, identities):
    client = KazooClient(server, auth_data=[("digest", identity) for identity in identities])
    client.start()
    return client


def answers(server):
    found, root = {}, connect(server, [SUPER])
    root.create("/acl", acl=[OPEN])
    clients = {name: connect(server, ids) for name, ids in IDENTITIES.items()}
    number = 0
    for (who, client), (entry, identity), (granted, perms) in product(
        clients.items(), ENTRIES.items(), PERMISSIONS.items()
    ):
        acl = [ACL(perms, Id(*identity))]
        number += 1
        for at, _ in enumerate(list(operations(client, ""))):
            path = f"/acl/{number}-{at}"
            root.create(path, b"1", acl=[OPEN])
            root.create(path + "/child", b"", acl=[OPEN])
            root.set_acls(path, acl)
            name, what = list(operations(client, path))[at]
            found[f"{who} by {entry}:{granted} does {name}"] = attempt(what)
        for name, told in events(root, client, f"/acl/e{number}", acl):
            found[f"{who} by {entry}:{granted} is told of {name}"] = told
    for (who, client), (name, entries) in product(clients.items(), SENT.items()):
        number += 1
        path, acl = f"/acl/s{number}", [ACL(31, Id(*entry)) for entry in entries]
        made = attempt(lambda: client.create(path, acl=acl) and None)
        if made == "ok":
            acls, _ = root.get_acls(path)
            made = [(acl.perms, acl.id.scheme, acl.id.id) for acl in acls]
            # The order in which a connection has proved its identities is not ZooKeeper's to keep.
            made.sort()
        found[f"{who} sends {name}"] = made
    for client in [root, *clients.values()]:
        client.stop()
        client.close()
    return found


def main(servers):
    found = [answers(server) for server in servers]
    if len(found) == 1:
        for question, answer in found[0].items():
            print(f"{question}: {answer}")
        return 0
    first, second = found
    different = [question for question in first if first[question] != second[question]]
    for question in different:
        print(f"{question}: {first[question]} / {second[question]}")
    print(f"{len(first)} questions, {len(different)} answered differently")
    return 1 if different else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
