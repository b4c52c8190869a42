"""Says to a Redis server, byte by byte, what redis-cli does not, and asks it at last what it has executed."""

import json
import socket
import sys

port, password, expect = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def send(self, message):
        self.socket.sendall(message)

    def value(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=!":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind in b"*~>":
            return (kind, [self.value() for _ in range(max(0, int(rest)))])
        if kind == b"%":
            return (kind, [self.value() for _ in range(2 * int(rest))])
        if kind == b"|":
            for _ in range(2 * int(rest)):
                self.value()
            return self.value()
        return kind + rest

    def ask(self, *words):
        self.send(command(*words))
        return self.value()


# Inline commands only, three of them at once, with quotes and an empty line.
client = Client()
client.send(b"auth %s\r\n" % password)
client.value()
client.send(b'\r\nping\r\nSET inline:1 "two \\"words\\""\r\nget inline:1\r\n')
assert [client.value() for _ in range(3)][2] == b'two "words"'
client.send(b"quit\r\n")
client.value()

# No answers.
client = Client()
client.ask(b"AUTH", password)
client.send(command(b"CLIENT", b"REPLY", b"SKIP") + command(b"SET", b"quiet:1", b"x") + command(b"GET", b"quiet:1"))
assert client.value() == b"x"
client.send(command(b"CLIENT", b"REPLY", b"OFF") + command(b"INCR", b"quiet:2") * 5 + command(b"CLIENT", b"REPLY", b"ON"))
assert client.value() == b"+OK"
assert client.ask(b"GET", b"quiet:2") == b"5"

# A transaction that another client spoils, and one in which a command fails.
other = Client()
other.ask(b"AUTH", password)
client.ask(b"WATCH", b"quiet:2")
other.ask(b"INCR", b"quiet:2")
client.send(command(b"MULTI") + command(b"APPEND", b"quiet:2", b"0") + command(b"EXEC"))
assert [client.value() for _ in range(3)][2] == (b"*", [])
client.send(command(b"MULTI") + command(b"SETRANGE", b"quiet:2", b"0", b"y") + command(b"SADD", b"quiet:2", b"z") + command(b"EXEC"))
client.value(), client.value(), client.value(), client.value()

# Subscriptions with version 2 and with version 3, where other commands go on meanwhile.
received = 0
old, new = Client(), Client()
old.ask(b"AUTH", password)
old.send(command(b"SUBSCRIBE", b"news:1", b"news:2"))
old.value(), old.value()
old.ask(b"PSUBSCRIBE", b"news:*")
new.ask(b"HELLO", b"3", b"AUTH", b"default", password, b"SETNAME", b"listener")
new.ask(b"SUBSCRIBE", b"news:1")
for number in range(3):
    other.ask(b"PUBLISH", b"news:1", b"number %d" % number)
    for listener, count in ((old, 2), (new, 1)):
        received += sum(listener.value() is not None for _ in range(count))
assert new.ask(b"GET", b"inline:1") == b'two "words"'
old.ask(b"PING", b"hello")
old.send(command(b"UNSUBSCRIBE"))
old.value(), old.value()
old.ask(b"PUNSUBSCRIBE", b"news:*")
new.ask(b"CLIENT", b"TRACKING", b"ON")
new.ask(b"GET", b"quiet:2")
other.ask(b"SET", b"quiet:2", b"changed")
received += new.value()[1][0] == b"invalidate"
# Attributes before an answer, and a double.
assert new.ask(b"DEBUG", b"PROTOCOL", b"attrib") == b"Some real reply following the attribute"
new.ask(b"DEBUG", b"PROTOCOL", b"double")
# It ends while it is subscribed.
new.socket.close()

# MONITOR: the commands of another client are told, also the last one.
watcher = Client()
watcher.ask(b"AUTH", password)
watcher.ask(b"MONITOR")
other.ask(b"GET", b"quiet:1")
received += watcher.value().startswith(b"+")

# What the server itself says it was told to do. It is asked with nothing else under way.
other.ask(b"NOSUCHCOMMAND", b"a")
other.ask(b"GET")
lines = other.ask(b"INFO", b"commandstats").decode().split()
received += watcher.value().endswith(b'"INFO" "commandstats"')
calls, failed = {}, {}
for line in lines:
    if line.startswith("cmdstat_"):
        name, figures = line[len("cmdstat_") :].split(":")
        figures = dict(pair.split("=") for pair in figures.split(","))
        name = name.replace("|", " ").upper()
        calls[name] = int(figures["calls"]) + int(figures["rejected_calls"])
        if int(figures["failed_calls"]) + int(figures["rejected_calls"]):
            failed[name] = int(figures["failed_calls"]) + int(figures["rejected_calls"])
# Said before the recording began.
del calls["CONFIG RESETSTAT"]
with open(expect, "w") as file:
    json.dump({"calls": calls, "failed": failed, "received": received}, file, indent=1, sort_keys=True)
    file.write("\n")
