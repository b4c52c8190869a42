"""Servers and clients of WebSocket; writes what the clients saw of each connection."""
import asyncio, json, sys
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

room, said = set(), []

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def rpc(socket):
    """Answers by id, in another order; tells news unasked."""
    await socket.send(json.dumps({"type": "welcome"}))
    calls = []
    async for message in socket:
        calls.append(json.loads(message))
        await socket.send(json.dumps({"type": "news", "number": len(calls)}))
        if len(calls) % 2 == 0:
            for call in reversed(calls[-2:]):
                answer = {"error": {"code": -32601}} if call["method"] == "nothing" else {"result": call["params"]}
                await socket.send(json.dumps({"jsonrpc": "2.0", "id": call["id"], **answer}))

async def chat(socket):
    room.add(socket)
    async for message in socket:
        broadcast(room - {socket}, message)
    room.discard(socket)

async def other(socket):
    await {"/echo": echo, "/rpc": rpc, "/chat": chat}[socket.request.path.split("?")[0]](socket)

def note(what, sent, received):
    said.append({"what": what, "sent": sent, "received": received})

async def echoes(url, what, messages, extensions=None, **options):
    async with connect(url + "/echo?token=not-a-secret", extensions=extensions, compression=None, **options) as socket:
        for message in messages:
            await socket.send(message)
            back = await socket.recv()
            parts = [message] if isinstance(message, (str, bytes)) else message
            assert back == parts[0][:0].join(parts)
        await (await socket.ping(b"there?"))
    note(what, len(messages), len(messages))

def deflate(server, client):
    return [ClientPerMessageDeflateFactory(server_no_context_takeover=server, client_no_context_takeover=client)]

async def main(port, out):
    factory = ServerPerMessageDeflateFactory(compress_settings={"memLevel": 5})
    async with serve(other, "127.0.0.1", port, compression=None, extensions=[factory]):
        url = f"ws://127.0.0.1:{port}"
        text = [json.dumps({"type": "order", "number": n, "text": "a text that repeats itself " * 4}) for n in range(6)]
        await echoes(url, "plain", ["hello", b"\x00\x01\x02", "", "x" * 300, "y" * 70000])
        await echoes(url, "fragments", [["Hel", "lo ", "you"], [b"ab", b"", b"cd"], "whole"])
        await echoes(url, "deflate", text, deflate(False, False))
        await echoes(url, "deflate without context", text, deflate(True, True))
        await echoes(url, "deflated fragments", [["a text that ", "repeats ", "itself " * 50]] * 3, deflate(False, False))
        async with connect(url + "/rpc", compression=None) as socket:
            got = [await socket.recv()]
            for n, method in enumerate(["orders.get", "orders.create", "nothing", "orders.get"]):
                call = {"jsonrpc": "2.0", "id": n, "method": method, "params": {"n": n, "password": "not-a-secret"}}
                await socket.send(json.dumps(call))
                await asyncio.sleep(0.01)
            while len(got) < 1 + 4 + 4:
                got.append(await socket.recv())
        note("rpc", 4, len(got))
        # One listens and says two things; the other tells twelve, one every 10 ms.
        async with connect(url + "/chat", compression=None) as listener, connect(url + "/chat", compression=None) as teller:
            for n in range(12):
                await teller.send(f"news {n}")
                await asyncio.sleep(0.01)
                if n in (6, 9):
                    await listener.send(f"so what {n}")
            heard = [await listener.recv() for _ in range(12)]
            told = [await teller.recv() for _ in range(2)]
        note("listener", 2, len(heard))
        note("teller", 12, len(told))
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in said) + "\n]\n")

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
