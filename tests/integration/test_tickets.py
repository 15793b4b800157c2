"""Tickets against real processes: refusals with their reasons, and clients that resume while the keys change (PROTOCOL 5.5, LINK L-6)."""
import asyncio

from support.client import Client
from support.cluster import Cluster
from support.http import get, post_lines
from support.wait import run, until_async

CONFIG = "session:\n  ticket_key_rotate_s: 1\n  ticket_key_keep_s: 120\n"


def metric(url, name):
    line = next((x for x in get(url + "/metrics").body.decode().splitlines() if x.startswith(name + " ")), None)
    return float(line.split()[-1]) if line else 0.0


def refusals(cluster, reason):
    return sum(metric(e["http"], f'tocsin_edge_tickets_refused_total{{reason="{reason}"}}') for e in cluster.edges)


async def refused(cluster, ticket, reason, **members):
    """A connect with this ticket gets a session of its own, and this reason."""
    before = refusals(cluster, reason)
    async with Client(cluster.edge()["ws"]) as c:
        welcome = await c.connect(ticket=ticket, **members)
        assert welcome["resumed"] is False
        error = await c.expect("error")
        assert (error["code"], error["status"], error["reason"]) == ("unauthorized", 401, reason)
        assert await asyncio.to_thread(refusals, cluster, reason) == before + 1


class TestRefusals:
    def test_each_reason_is_told_and_counted_and_the_session_is_not_touched(self, shared, channel):
        async def body():
            async with Client(shared.edge(0)["ws"]) as c:
                await c.connect()
                await c.subscribe("a", channel)
                ticket, session = c.welcome["ticket"], c.welcome["session"]
                payload, _, mac = ticket.partition(".")
                await refused(shared, payload + "." + mac[::-1], "forged")
                await refused(shared, ticket, "foreign", session="0" * 32)
                async with Client(shared.edge(1)["ws"]) as taker:
                    assert (await taker.connect(ticket=ticket))["session"] == session
                    await refused(shared, ticket, "reused")
                    await taker.send(type="ping", ref="still")
                    await taker.expect("pong", ref="still")
        run(body())


class TestRenewal:
    def test_clients_resume_with_tickets_of_every_age_while_keys_change_and_after_a_restart_of_the_broker(self, tmp_path):
        """A key a second. Two clients come back again and again, on either edge; one keeps its first ticket to the end."""
        async def body(cluster):
            broker = cluster.info()["broker"]["http"]
            async with Client(cluster.edge(0)["ws"], "patient") as c:
                await c.connect()
                await c.subscribe("a", "incidents")
                first, session = c.welcome["ticket"], c.welcome["session"]
            async with Client(cluster.edge(0)["ws"], "roamer") as c:
                await c.connect()
                await c.subscribe("a", "incidents")
                ticket, at = c.welcome["ticket"], c.streams["a"].position

            async def come_back(n):
                nonlocal ticket, at
                posted = await asyncio.to_thread(post_lines, cluster.edge(0)["http"] + "/v1/updates", [{"channel": "incidents", "key": f"K{n}", "kind": "created", "incident": {"title": "t"}}])
                assert posted.status == 200
                async with Client(cluster.edge(n % 2)["ws"], "roamer") as c:
                    assert (await c.connect(ticket=ticket, since={"a": at}))["resumed"] is True
                    await c.expect("subscribed", id="a")
                    s = await c.reached("a", n + 1)
                    ticket, at = c.welcome["ticket"], s.position

            async def keys():
                return await asyncio.to_thread(metric, broker, "tocsin_broker_ticket_keys")

            n = 0
            for wanted in (4, 7):   # the first one does not sign any more when there are three
                while await keys() < wanted:
                    await come_back(n)
                    n += 1
                if wanted == 4:
                    old = cluster.kill("broker")
                    await until_async(lambda: cluster.pid_of("broker") != old, "another broker", 20)
                    broker = cluster.info()["broker"]["http"]
                    await asyncio.to_thread(cluster.wait_ready)
                    assert await keys() >= 4
            assert n >= 2
            async with Client(cluster.edge(1)["ws"], "patient") as c:
                welcome = await c.connect(ticket=first)
                assert (welcome["resumed"], welcome["session"]) == (True, session)
            for reason in ("forged", "expired", "foreign", "reused"):
                assert refusals(cluster, reason) == 0

        with Cluster(tmp_path / "cluster", edges=2, config=CONFIG) as cluster:
            run(body(cluster))
