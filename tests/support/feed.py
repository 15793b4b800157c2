"""What most tests say to the shared cluster: a change, a publish at one of its edges, an edge's stream."""
from .http import post_lines


def change(channel, key, **incident):
    return {"channel": channel, "key": key, "incident": incident}


def publish(shared, *updates, n=0):
    """Publishes at edge n; the positions. A refusal is an AssertionError."""
    reply = post_lines(shared.edge(n)["http"] + "/v1/updates", updates)
    results = reply.json()["results"]
    assert all("position" in r for r in results), results
    return [r["position"] for r in results]


def ws(shared, n=0):
    return shared.edge(n)["ws"]
