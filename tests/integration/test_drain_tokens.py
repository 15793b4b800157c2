"""A drain of an edge whose clients hold tokens, with rows, that end while they move and are refreshed in band: nobody is cut, nothing is lost,
and a ticket is its subject's on the edge it leads to."""
import time

import pytest

from support import drain
from support.client import Client
from support.fleet import Fleet
from support.http import get, request
from support.process import Pair
from support.tokens import SECRET, bearer, token
from support.wait import run, until

FLAGS = ("--admin-loopback", "--drain-lb-settle-ms", "100", "--drain-offer-ms", "1500", "--drain-bye-wait-ms", "300", "--auth-leeway-ms", "0",
         "--auth-grace-ms", "1000", "--auth-row-policy", "tenant=label.tenant", "--auth-audience", "tocsin")
CLIENTS = 120


@pytest.fixture
def edges(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    with Pair(tmp_path, edge_flags=(*FLAGS, "--auth-key-file", tmp_path / "secret"), edges=3) as p:
        until(lambda: all(len([e for e in drain.status(edge.http)["edges"] if e["state"] == "ready"]) == 3 for edge in p.edges), "the edges to know each other")
        yield p.edges


def tokens(file, lasts):
    """One for each client, of its own subject; "*": the load's updates are events, which are in nobody's rows else."""
    file.write_text("\n".join(token(f"subject-{n}", lasts=lasts, tenant="*", aud="tocsin") for n in range(CLIENTS)))
    return file


def metric(edge, name):
    return next(float(line.split()[1]) for line in get(edge.http + "/metrics").body.decode().splitlines() if line.startswith(name + " "))


def test_tokens_end_and_are_renewed_while_clients_move(edges, tmp_path):
    began = time.monotonic()
    with Fleet([f"127.0.0.1:{e.port}" for e in edges], CLIENTS, 60, history=tmp_path / "history.jsonl", channel="t/drained", start_on=1,
               token_file=tokens(tmp_path / "first", 6)) as fleet:
        drain.order(edges[0].http, deadline_ms=8000, rate=12)   # slow, so that tokens end in the middle of it
        for n in range(3):
            drain.until_moving(edges[0].http, (n + 1) * 0.2)
            fleet.say(f"tokens {tokens(tmp_path / f'then-{n}', 6)}")
        report = drain.until_over(edges[0].http)
        fleet.say(f"tokens {tokens(tmp_path / 'last', 60)}")
        assert time.monotonic() - began > 6, "no token of the first lot is good any more"
        fleet.stop()
        fleet.must_hold()
    assert report["state"] == "done" and report["migrated"] == report["resumed"] == report["planned"] >= CLIENTS, report
    assert report["closed"] == report["lost"] == report["remaining"] == report["blackout_ms"]["max"] == 0, report
    phases = fleet.report["phases"]
    assert sum(p["cut"] for p in phases) == 0 and fleet.report["errors"] == 0, fleet.report
    assert sum(metric(edge, "tocsin_edge_tokens_refused_total") for edge in edges) == 0


def test_the_ticket_of_an_offer_is_its_subjects(edges):
    async def body():
        async with Client(edges[0].ws, "bob") as bob:
            await bob.connect(token=token("bob", tenant="acme", aud="tocsin"))
            await bob.subscribe("a", "t/offered")
            drain.order(edges[0].http)
            offer = (await bob.expect("status", status="migrating"))["details"]
            async with Client(offer["new_endpoint"], "eve") as eve:
                assert (await eve.connect(token=token("eve", tenant="acme", aud="tocsin"), ticket=offer["resume_token"]))["resumed"] is False
                assert (await eve.expect("error"))["reason"] == "foreign"
                assert not [f for f in eve.frames if f["type"] == "subscribed"]
            async with Client(offer["new_endpoint"], "nobody") as nobody:
                await nobody.send(type="connect", ticket=offer["resume_token"])
                assert await nobody.wait_closed() == 4401
            async with Client(offer["new_endpoint"], "bob again") as again:
                welcome = await again.connect(token=token("bob", tenant="globex", aud="tocsin"), ticket=offer["resume_token"])
                assert welcome["session"] == bob.welcome["session"] and welcome["resumed"]
                # Of other rows than before: what it had is of another view.
                assert (await again.expect("subscribed", id="a"))["reason"] == "filter_changed"
                await bob.send(type="bye")
                for tenant in ("acme", "globex"):
                    reply = request("POST", edges[1].http + "/v1/updates", b'{"channel":"t/offered","key":"%s","incident":{"labels":{"tenant":"%s"}}}' % ((tenant.encode(),) * 2),
                                    {"Content-Type": "application/json", **bearer(token("root", tenant="*", aud="tocsin"))})
                    assert reply.status == 200, reply
                await again.reached("a", 2)
                assert again.streams["a"].keys() == ["globex"]
    run(body(), 60)
