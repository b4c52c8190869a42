"""A client of a vector database; writes which calls it asked for, in order, with the collection and the rows it sent or got."""
import json, random, sys, time
from pymilvus import DataType, MilvusClient

def main(port, out):
    said, rng = [], random.Random(6)
    vector = lambda: [rng.random() for _ in range(8)]
    client = MilvusClient(uri=f"http://127.0.0.1:{port}", token="root:not-a-secret")
    def note(method, collection, rows=0):
        said.append({"method": method, "collection": collection, "rows": rows})
    for name in ("books", "films"):
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
        schema.add_field("title", DataType.VARCHAR, max_length=64)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="L2")
        client.create_collection(name, schema=schema, index_params=index)
        note("CreateCollection", name)
        rows = [{"id": n, "vector": vector(), "title": f"{name} {n}"} for n in range(20)]
        client.insert(name, rows)
        note("Insert", name, 20)
    for n in range(5):
        found = client.search("books", [vector()], limit=3, output_fields=["title"])
        note("Search", "books", len(found[0]))
    found = client.query("films", filter="id in [1, 2, 3]", output_fields=["title"])
    note("Query", "films", len(found))
    client.upsert("films", [{"id": 3, "vector": vector(), "title": "again"}])
    note("Upsert", "films", 1)
    client.delete("books", ids=[1, 2])
    note("Delete", "books", 2)
    try:
        client.search("nowhere", [vector()], limit=3)
    except Exception as error:
        note("Search", "nowhere")
    client.drop_collection("films")
    note("DropCollection", "films")
    client.close()
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in said) + "\n]\n")

main(int(sys.argv[1]), sys.argv[2])
