"""An edge dies with all its clients: everyone is back on another, whole, and not all in the same moment."""
from support import drain
from support.cluster import Cluster
from support.wait import until

from conftest import addresses


def test_clients_of_an_edge_that_is_killed_resume_elsewhere(tmp_path, load):
    """Few handshakes are taken a second: those who are turned away come when they were told to."""
    config = drain.CONFIG + "limits:\n  handshakes_per_s: 250\n"
    with Cluster(tmp_path / "cluster", edges=3, config=config) as cluster:
        fleet = load(addresses(cluster.edges), clients=900, rate=20, channels=9, start_on=1)
        assert fleet.status()["edges"] == {"edge-0": 900}
        fleet.mark("storm")
        cluster.kill("edge-0")
        until(lambda: fleet.status()["edges"].get("none", 0) == 0 and fleet.status()["phase"]["moves"] >= 900, "everyone to be back", 30)
        fleet.stop()
    report, storm = fleet.must_hold(), fleet.phase("storm")
    assert storm["cut"] == storm["abrupt"] == storm["moves"] == 900
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0
