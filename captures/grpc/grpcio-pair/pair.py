"""A small gRPC service and a client of it, without descriptions: messages are plain bytes. Writes what the client saw of each call."""
import json, sys, time
from concurrent import futures
import grpc

SERVICE = "rehearsal.Echo"

def unary(request, context):
    return b"echo " + request

def fails(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: 100 %")

def server_stream(request, context):
    for n in range(5):
        yield b"answer %d" % n

def client_stream(requests, context):
    return b"%d messages" % sum(1 for _ in requests)

def bidi(requests, context):
    for request in requests:
        yield b"echo " + request

def main(port, out):
    handlers = {
        "Get": grpc.unary_unary_rpc_method_handler(unary),
        "Fail": grpc.unary_unary_rpc_method_handler(fails),
        "List": grpc.unary_stream_rpc_method_handler(server_stream),
        "Upload": grpc.stream_unary_rpc_method_handler(client_stream),
        "Chat": grpc.stream_stream_rpc_method_handler(bidi),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    calls = []
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        def note(method, sent, received, status=0):
            calls.append({"method": method, "sent": sent, "received": received, "status": status})
            time.sleep(0.05)
        get = channel.unary_unary(f"/{SERVICE}/Get")
        for n in range(3):
            note("Get", 1, len([get(b"hello %d" % n, metadata=[("authorization", "Bearer not-a-secret"), ("x-tenant", "blue")])]))
        note("Get", 1, len([get(b"squeeze me " * 200, compression=grpc.Compression.Gzip)]))
        note("Get", 1, len([get(b"x" * 20000)]))
        try:
            channel.unary_unary(f"/{SERVICE}/Fail")(b"hello")
        except grpc.RpcError as error:
            note("Fail", 1, 0, error.code().value[0])
        try:
            channel.unary_unary(f"/{SERVICE}/Nowhere")(b"hello")
        except grpc.RpcError as error:
            note("Nowhere", 1, 0, error.code().value[0])
        note("List", 1, len(list(channel.unary_stream(f"/{SERVICE}/List")(b"all"))))
        def parts():
            for n in range(4):
                yield b"part %d" % n
                time.sleep(0.02)
        note("Upload", 4, len([channel.stream_unary(f"/{SERVICE}/Upload")(parts())]))
        # One message at a time: each waits for the answer to the one before.
        answers = []
        def asks():
            for n in range(4):
                while len(answers) < n:
                    time.sleep(0.001)
                yield b"ask %d" % n
        for answer in channel.stream_stream(f"/{SERVICE}/Chat")(asks()):
            answers.append(answer)
        note("Chat", 4, len(answers))
    server.stop(None).wait()
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(call, separators=(",", ":")) for call in calls) + "\n]\n")

main(int(sys.argv[1]), sys.argv[2])
