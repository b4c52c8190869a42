"""A server (hypercorn) and a client (h2 and wsproto) that open two WebSockets in streams of one HTTP/2 connection (RFC 8441)."""

import asyncio
import json
import socket
import sys
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import hypercorn.asyncio
import hypercorn.config
import wsproto.connection
import wsproto.events

port, expect = int(sys.argv[1]), sys.argv[2]


async def app(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
    while (event := await receive())["type"] == "websocket.receive":
        text = event["text"]
        await send({"type": "websocket.send", "text": text.upper()})
        if text == "twice":
            await send({"type": "websocket.send", "text": "AGAIN"})


config = hypercorn.config.Config()
config.bind = [f"127.0.0.1:{port}"]
config.loglevel = "ERROR"
stop = threading.Event()


async def wait():
    while not stop.is_set():
        await asyncio.sleep(0.05)


server = threading.Thread(target=lambda: asyncio.run(hypercorn.asyncio.serve(app, config, shutdown_trigger=wait)), daemon=True)
server.start()
while True:
    try:
        sock = socket.create_connection(("127.0.0.1", port))
        break
    except ConnectionRefusedError:
        time.sleep(0.05)

http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
http.initiate_connection()
sock.sendall(http.data_to_send())
heard = {"answers": {}, "messages": {}, "ended": []}
sockets = {}
account = {"sent": [], "received": []}


def pump(until):
    while not until():
        for event in http.receive_data(sock.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                heard["answers"][event.stream_id] = dict(event.headers)
            if isinstance(event, h2.events.StreamEnded):
                heard["ended"].append(event.stream_id)
            if isinstance(event, h2.events.DataReceived):
                http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                talk = sockets.get(event.stream_id)
                if talk is None:
                    continue
                talk.receive_data(event.data)
                for message in talk.events():
                    if isinstance(message, wsproto.events.TextMessage):
                        heard["messages"].setdefault(event.stream_id, []).append(message.data)
                        account["received"].append([event.stream_id, message.data])
                    if isinstance(message, wsproto.events.CloseConnection):
                        heard["messages"].setdefault(event.stream_id, []).append("close")
        sock.sendall(http.data_to_send())


pump(lambda: http.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1)


def open_socket(path, subprotocol):
    stream = http.get_next_available_stream_id()
    headers = [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path), (":authority", f"127.0.0.1:{port}"),
        ("sec-websocket-version", "13"), ("sec-websocket-protocol", subprotocol),
    ]  # fmt: skip
    http.send_headers(stream, headers)
    sock.sendall(http.data_to_send())
    pump(lambda: stream in heard["answers"])
    sockets[stream] = wsproto.connection.Connection(wsproto.connection.ConnectionType.CLIENT)
    return stream


def say(stream, text, answers=1):
    before = len(heard["messages"].get(stream, []))
    http.send_data(stream, sockets[stream].send(wsproto.events.TextMessage(data=text)))
    sock.sendall(http.data_to_send())
    account["sent"].append([stream, text])
    pump(lambda: len(heard["messages"].get(stream, [])) >= before + answers)


def close(stream):
    http.send_data(stream, sockets[stream].send(wsproto.events.CloseConnection(code=1000)))
    sock.sendall(http.data_to_send())
    pump(lambda: "close" in heard["messages"].get(stream, []))


first, second = open_socket("/chat", "chat.v1"), open_socket("/echo", "echo.v2")
for number in range(5):
    say(first, f"first {number}")
    say(second, f"second {number}")
say(second, "twice", 2)
plain = http.get_next_available_stream_id()
http.send_headers(plain, [(":method", "GET"), (":scheme", "http"), (":path", "/plain"), (":authority", "a")], end_stream=True)
sock.sendall(http.data_to_send())
pump(lambda: plain in heard["ended"])
close(first)
close(second)
sock.close()
account["agreed"] = [heard["answers"][stream].get("sec-websocket-protocol") for stream in (first, second)]
stop.set()
server.join()
with open(expect, "w") as file:
    json.dump(account, file, indent=1)
    file.write("\n")
