"""Runs kcat against the mock cluster inside librdkafka, with tcpdump beside it, and counts what kcat says it has sent and received."""

import collections
import json
import re
import signal
import subprocess
import sys
import time

from confluent_kafka import Producer

# The cluster lives in this client; it chooses its port.
cluster = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "client.id": "cluster"})
port = cluster.list_topics(timeout=10).brokers[1].port
dump = subprocess.Popen(
    ["tcpdump", "-Z", "root", "-i", "lo", "-s", "0", "-U", "-w", "capture.pcap", f"tcp port {port}"],
    stderr=subprocess.PIPE,
    text=True,
)
while "listening on" not in dump.stderr.readline():
    pass

sent, received = collections.Counter(), collections.Counter()
NAMES = {"ApiVersion": "ApiVersions"}


def kcat(*arguments, records=None):
    done = subprocess.run(
        ["kcat", "-b", f"127.0.0.1:{port}", "-d", "protocol", *arguments],
        input="".join(f"record {number}\n" for number in range(records or 0)),
        capture_output=True,
        text=True,
        timeout=30,
    )
    for counter, word, kind in ((sent, "Sent", "Request"), (received, "Received", "Response")):
        for name in re.findall(rf"\]: .*: {word} (\w+){kind} \(v", done.stderr):
            counter[NAMES.get(name, name)] += 1
    return len(done.stdout.splitlines())


kcat("-P", "-t", "orders", records=5)
kcat("-P", "-t", "orders", "-z", "gzip", "-X", "enable.idempotence=true", records=50)
# No acknowledgement, so no answers.
kcat("-P", "-t", "clicks", "-X", "acks=0", "-X", "linger.ms=0", records=7)
consumed = kcat("-C", "-t", "orders", "-e", "-q")
consumed += kcat("-G", "readers", "-e", "-q", "clicks")
kcat("-L")

time.sleep(1)
dump.send_signal(signal.SIGINT)
dump.wait()
with open(sys.argv[1], "w") as file:
    json.dump({"sent": sent, "received": received, "produced": 62, "consumed": consumed}, file, indent=1, sort_keys=True)
    file.write("\n")
