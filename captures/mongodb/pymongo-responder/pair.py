"""Runs pymongo against a small responder, which stands in for a MongoDB server, and counts what each of them saw."""

import base64
import collections
import hashlib
import hmac
import json
import socketserver
import struct
import sys
import threading
import zlib

import bson
import pymongo
from pymongo import monitoring
from pymongo.cursor import CursorType

port, expect = int(sys.argv[1]), sys.argv[2]
PASSWORD, SALT, ROUNDS = b"not-a-secret", b"0123456789abcdef", 4096
asked = collections.Counter()


def scram(handler, document):
    """Both steps of SCRAM-SHA-256 (RFC 5802, RFC 7677), of the server."""
    text = bytes(document["payload"]).decode()
    if document.get("mechanism"):
        handler.bare = text.split(",", 2)[2]
        nonce = dict(part.split("=", 1) for part in handler.bare.split(","))["r"] + "server"
        handler.first = f"r={nonce},s={base64.b64encode(SALT).decode()},i={ROUNDS}"
        return {"conversationId": 1, "done": False, "payload": handler.first.encode(), "ok": 1.0}
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD, SALT, ROUNDS)
    said = f"{handler.bare},{handler.first},{text.rsplit(',p=', 1)[0]}".encode()
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
    return {"conversationId": 1, "done": True, "payload": b"v=" + base64.b64encode(signature), "ok": 1.0}


def hello(handler, document):
    answer = {
        "ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
        "maxWriteBatchSize": 100000, "minWireVersion": 0, "maxWireVersion": 21, "logicalSessionTimeoutMinutes": 30, "setName": "rs",
        "hosts": [f"127.0.0.1:{port}"], "me": f"127.0.0.1:{port}", "saslSupportedMechs": ["SCRAM-SHA-256"], "ok": 1.0,
    }  # fmt: skip
    if "zlib" in document.get("compression", []):
        answer["compression"] = ["zlib"]
    if "speculativeAuthenticate" in document:
        answer["speculativeAuthenticate"] = scram(handler, document["speculativeAuthenticate"])
    return answer


def respond(handler, name, document):
    if name in ("hello", "ismaster", "isMaster"):
        return hello(handler, document)
    if name in ("saslStart", "saslContinue"):
        return scram(handler, document)
    if name == "find":
        cursor = 42 if document.get("batchSize") == 2 else 0
        return {"cursor": {"id": bson.Int64(cursor), "ns": "shop.orders", "firstBatch": [{"_id": 1}, {"_id": 2}]}, "ok": 1.0}
    if name == "getMore":
        handler.more += 1
        cursor = 0 if handler.more % 3 == 0 else 42
        return {"cursor": {"id": bson.Int64(cursor), "ns": "shop.orders", "nextBatch": [{"_id": 3}, {"_id": 4}]}, "ok": 1.0}
    if name == "insert" and document["documents"][0].get("_id") == "twice":
        error = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key error"}
        return {"n": 0, "writeErrors": [error], "ok": 1.0}
    if name == "aggregate":
        return {"cursor": {"id": bson.Int64(0), "ns": "shop.orders", "firstBatch": [{"n": 5}]}, "ok": 1.0}
    if name == "drop":
        return {"ok": 0.0, "errmsg": "ns not found", "code": 26, "codeName": "NamespaceNotFound"}
    return {"n": 1, "nModified": 1, "ok": 1.0}


class Handler(socketserver.BaseRequestHandler):
    more = 0
    number = 1000

    def read(self, count):
        got = b""
        while len(got) < count:
            part = self.request.recv(count - len(got))
            if not part:
                raise EOFError
            got += part
        return got

    def handle(self):
        try:
            while True:
                (length,) = struct.unpack("<i", self.read(4))
                self.answer(*struct.unpack("<iii", self.read(12)), self.read(length - 16))
        except (EOFError, ConnectionError):
            pass

    def send(self, code, answers, body, packed):
        Handler.number += 1
        if packed:
            code, body = 2012, struct.pack("<iiB", code, len(body), 2) + zlib.compress(body)
        self.request.sendall(struct.pack("<iiii", 16 + len(body), self.number, answers, code) + body)

    def answer(self, number, _, code, body):
        packed = code == 2012
        if packed:
            code, _, kind = struct.unpack("<iiB", body[:9])
            assert kind == 2
            body = zlib.decompress(body[9:])
        if code == 2004:
            end = body.index(b"\0", 4)
            document = bson.decode(body[end + 9 :])
            name = next(iter(document))
            asked[name] += 1
            self.send(1, number, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(respond(self, name, document)), packed)
            return
        assert code == 2013
        (flags,) = struct.unpack("<I", body[:4])
        document, at = {}, 4
        while at < len(body):
            kind, length = body[at], struct.unpack("<i", body[at + 1 : at + 5])[0]
            if kind == 0:
                document.update(bson.decode(body[at + 1 : at + 1 + length]))
            else:
                end = body.index(b"\0", at + 5)
                document[body[at + 5 : end].decode()] = bson.decode_all(body[end + 1 : at + 1 + length])
            at += 1 + length
        # The command's own name comes first, whatever the order of the sections.
        name = next(key for key in document if key not in ("documents", "updates", "deletes"))
        asked[name] += 1
        if flags & 2:
            return
        answer = respond(self, name, document)
        # Where the client allows it, all the rest of a cursor comes at once.
        while flags & 0x10000 and name == "getMore" and answer["cursor"]["id"]:
            self.send(2013, number, struct.pack("<IB", 2, 0) + bson.encode(answer), packed)
            number, answer = self.number, respond(self, name, document)
        self.send(2013, number, struct.pack("<IB", 0, 0) + bson.encode(answer), packed)


failures = collections.Counter()


class Listener(monitoring.CommandListener):
    def started(self, event):
        pass

    def succeeded(self, event):
        failures.update([event.command_name] if "writeErrors" in event.reply else [])

    def failed(self, event):
        failures.update([event.command_name])


listener = Listener()
socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()


def talk(**options):
    client = pymongo.MongoClient(
        "127.0.0.1", port, directConnection=True, event_listeners=[listener], heartbeatFrequencyMS=600000, serverMonitoringMode="poll", **options
    )
    orders = client.shop.orders
    orders.insert_many([{"_id": number, "text": "an order that packs well " * 5} for number in range(5)])
    try:
        orders.insert_one({"_id": "twice"})
    except pymongo.errors.DuplicateKeyError:
        pass
    assert len(list(orders.find({"text": {"$ne": "x"}}, batch_size=2))) == 8
    orders.update_many({}, [{"$set": {"seen": True}}])
    orders.delete_one({"_id": 1})
    orders.count_documents({})
    orders.find_one_and_update({"_id": 2}, {"$set": {"seen": False}})
    try:
        client.shop.command("drop", "nothing")
    except pymongo.errors.OperationFailure:
        pass
    # Nobody answers this.
    orders.with_options(write_concern=pymongo.WriteConcern(w=0)).insert_one({"_id": 9})
    with client.start_session() as session, session.start_transaction():
        orders.insert_one({"_id": 10}, session=session)
        orders.update_one({"_id": 10}, {"$set": {"seen": True}}, session=session)
    return client


plain = talk(username="ann", password=PASSWORD.decode())
assert len(list(plain.shop.orders.find({}, batch_size=2, cursor_type=CursorType.EXHAUST))) == 8
plain.close()
talk(compressors="zlib").close()
server.shutdown()
with open(expect, "w") as file:
    json.dump({"asked": asked, "failed": failures}, file, indent=1, sort_keys=True)
    file.write("\n")
