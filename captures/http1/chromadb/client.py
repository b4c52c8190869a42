"""A client of a vector database over HTTP; writes what it asked for, in order, with the collection and the records it sent or got."""
import json, random, sys
import chromadb
from chromadb.config import Settings

def main(port, out):
    said, rng = [], random.Random(6)
    vector = lambda: [rng.random() for _ in range(8)]
    def note(what, collection, records=0):
        said.append({"what": what, "collection": collection, "records": records})
    settings = Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(host="127.0.0.1", port=port, settings=settings, headers={"X-Chroma-Token": "not-a-secret"})
    for name in ("books", "films"):
        collection = client.create_collection(name, embedding_function=None)
        note("create", str(collection.id))
        ids = [f"{name}-{n}" for n in range(20)]
        collection.add(ids=ids, embeddings=[vector() for _ in ids], documents=[f"about {n}" for n in ids])
        note("add", str(collection.id), 20)
    books, films = (client.get_collection(name, embedding_function=None) for name in ("books", "films"))
    for n in range(5):
        found = books.query(query_embeddings=[vector()], n_results=3)
        note("query", str(books.id), len(found["ids"][0]))
    note("get", str(films.id), len(films.get(ids=["films-1", "films-2"])["ids"]))
    films.upsert(ids=["films-3"], embeddings=[vector()], documents=["again"])
    note("upsert", str(films.id), 1)
    note("count", str(films.id), films.count())
    books.delete(ids=["books-1", "books-2"])
    note("delete", str(books.id), 2)
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in said) + "\n]\n")

main(int(sys.argv[1]), sys.argv[2])
