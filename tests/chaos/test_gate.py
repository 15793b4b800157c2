"""The network between an edge and the broker is cut, or lets nothing through: clients keep their sockets and get everything."""
import pytest

from support.gate import Gate
from support.process import Broker, Edge
from support.wait import until


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_an_edge_without_its_broker_keeps_its_clients(tmp_path, load, how):
    broker = Broker(tmp_path)
    with Gate(broker.port) as gate:
        edges = [Edge(tmp_path, gate.endpoint, name="edge-0"), Edge(tmp_path, broker.endpoint, name="edge-1")]
        try:
            broker.start()
            for edge in edges:
                edge.start()
            fleet = load([f"127.0.0.1:{edge.port}" for edge in edges[::-1]])   # the publisher is on edge-1
            fleet.mark(how)
            getattr(gate, how)()
            published = fleet.status()["published"]
            until(lambda: fleet.status()["published"] > published + 300, "updates to be missed")
            gate.heal()
            fleet.stop()
            fleet.must_hold()
            phase = fleet.phase(how)
            assert phase["cut"] == 0
            assert phase["delivery_us"]["edge-0"]["max"] > 10 * phase["delivery_us"]["edge-1"]["p50"], "the gate was shut"
        finally:
            for process in (*edges, broker):
                process.kill()
