"""max_rate (PROTOCOL.md 3.9): each incident at most so often, whole by its declarations, over real sockets."""
import asyncio
import time

import pytest

from support.client import Client
from support.history import History
from support.http import get
from support.proto_client import ProtoClient
from support.wait import run


@pytest.mark.parametrize("make", [Client, ProtoClient], ids=["json", "proto"])
def test_the_newest_state_comes_at_the_rate_and_nothing_is_lost(shared, channel, tmp_path, make):
    history = History(tmp_path / "history.jsonl", stable_epochs=True, history_kept=True)

    async def body():
        url = shared.edges[0]["ws"]
        async with make(url, "calm", history) as calm, Client(url, "all", history) as everything, Client(url, "publisher", history) as publisher:
            await calm.subscribe("s", channel, max_rate=4)
            await everything.subscribe("s", channel)
            arrivals, last, began = [], 0, time.monotonic()
            for n in range(120):
                severity = "P0" if n == 50 else "P2"
                done = await publisher.publish(f"r{n}", channel=channel, key=f"K{n % 3}", incident={"severity": severity, "metadata": {"n": n}})
                last = done["position"]["offset"]
                arrivals.append(len(calm.streams["s"].updates))
                await asyncio.sleep(0.01)   # the pace of a publisher
            took = time.monotonic() - began
            await everything.reached("s", last)
            await calm.reached("s", last)
            assert everything.streams["s"].offsets() == list(range(1, last + 1))
            stream = calm.streams["s"]
            assert not stream.jumped, "what was left out is named in replaces"
            assert 51 in stream.offsets(), "P0 always comes"
            for key in ("K0", "K1", "K2"):
                count = sum(u["key"] == key for u in stream.updates)
                assert count <= (took + 1) * 4 + 3, f"{key}: {count} in {took:.1f} s"
            assert len(stream.updates) < 100
            metrics = get(shared.edges[0]["http"] + "/metrics").body.decode()
            assert "tocsin_edge_rate_waiting_subscriptions" in metrics
        history.settled()
    run(body(), 60)
    history.must_hold()


def test_a_rate_and_no_conflation_do_not_go_together(shared, channel):
    async def body():
        async with Client(shared.edges[0]["ws"]) as c:
            await c.send(type="subscribe", id="s", channel=channel, max_rate=1, conflate=False)
            assert (await c.expect("error", id="s"))["code"] == "invalid_argument"
    run(body())
