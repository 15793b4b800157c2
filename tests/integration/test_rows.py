"""Rows against real processes (PROTOCOL 9.6): by every door a client gets what its token lets it see, and nothing else."""
import asyncio
import json

import pytest

from support.client import Client
from support.cluster import Cluster
from support.http import get, request
from support.process import Pair
from support.proto_client import ProtoClient
from support.tokens import SECRET, bearer, token
from support.wait import run

TENANTS = ("acme", "globex")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    (folder / "secret").write_text(SECRET)
    config = (f"auth:\n  key_file: {folder / 'secret'}\n  row_policy: tenant=label.tenant\n  leeway_ms: 0\n"
              "session:\n  beacon_ms: 300\n")
    with Cluster(folder / "c", edges=2, config=config) as cluster:
        yield cluster


def publish(http, channel, by, key, tenant, **incident):
    body = {"channel": channel, "key": key, "incident": {"title": f"{tenant} {key}", "labels": {"tenant": tenant}, **incident}}
    return request("POST", http + "/v1/updates", json.dumps(body).encode(), {"Content-Type": "application/json", **bearer(by)})


@pytest.fixture
def told(rows, channel):
    """A channel with incidents of both tenants, one of which moved from one to the other."""
    http, root = rows.edge()["http"], token("root", tenant="*")
    for key, tenant in (("A1", "acme"), ("G1", "globex"), ("M", "acme"), ("A2", "acme"), ("M", "globex"), ("G2", "globex")):
        assert publish(http, channel, root, key, tenant).status == 200
    return channel


def keys(incidents):
    return sorted(i["id"] for i in incidents)


class TestHttp:
    def test_queries_stay_inside(self, rows, told):
        http = rows.edge()["http"]
        for tenant, mine, foreign in (("acme", ["A1", "A2"], ["G1", "M"]), ("globex", ["G1", "G2", "M"], ["A1"])):
            mine_token = bearer(token(tenant=tenant))
            for query in ("", "&limit=1", "&label.tenant=acme,globex", "&severity=P3"):
                found, cursor = [], ""
                while cursor is not None:
                    page = get(f"{http}/v1/incidents?channel={told}{query}{cursor}", headers=mine_token).json()
                    found += page["incidents"]
                    assert page.get("cursor", mine[0]) in mine
                    cursor = f"&cursor={page['cursor']}" if "cursor" in page else None
                assert keys(found) == mine, query
            assert get(f"{http}/v1/incidents?channel={told}&label.tenant={'globex' if tenant == 'acme' else 'acme'}", headers=mine_token).json()["incidents"] == []
            for key in foreign + ["none"]:
                reply = get(f"{http}/v1/incidents/{key}?channel={told}", headers=mine_token)
                assert reply.status == 404 and reply.json()["detail"] == f"incident {key}"
            assert get(f"{http}/v1/incidents/{mine[0]}?channel={told}", headers=mine_token).status == 200

    def test_history_says_how_far_it_looked(self, rows, told):
        http, mine = rows.edge()["http"], bearer(token(tenant="acme"))
        seen, after = [], 0
        while True:
            page = get(f"{http}/v1/channels/{told}/updates?after={after}&limit=1", headers=mine).json()
            seen += [(u["offset"], u["key"]) for u in page["updates"]]
            assert "globex" not in json.dumps(page)
            assert page["to"] > after
            after = page["to"]
            if not page["more"]:
                break
        assert seen == [(1, "A1"), (3, "M"), (4, "A2")] and after == 6

    def test_publishing_stays_inside_too(self, rows, told):
        http, mine = rows.edge()["http"], token(tenant="acme")
        assert publish(http, told, mine, "A1", "acme", severity="P1").status == 200
        for key, tenant in (("G1", "acme"), ("A1", "globex"), ("new", "globex")):
            assert publish(http, told, mine, key, tenant).status == 403, (key, tenant)
        root = bearer(token(tenant="*"))
        assert get(f"{http}/v1/incidents/G1?channel={told}", headers=root).json()["labels"] == {"tenant": "globex"}
        assert get(f"{http}/v1/incidents/new?channel={told}", headers=root).status == 404

    def test_a_token_that_does_not_say_sees_nothing(self, rows, told):
        assert get(f"{rows.edge()['http']}/v1/incidents?channel={told}", headers=bearer(token())).status == 401
        assert get(f"{rows.edge()['http']}/v1/incidents?channel={told}", headers=bearer(token(tenant=[]))).json()["incidents"] == []


class TestStreams:
    @pytest.mark.parametrize("door", [Client, ProtoClient])
    def test_snapshot_live_resume_refresh_and_migration(self, rows, told, door):
        async def body():
            http, ws, root = rows.edge()["http"], rows.edge()["ws"], token("root", tenant="*")
            put = lambda key, tenant: asyncio.to_thread(publish, http, told, root, key, tenant)
            async with door(ws) as c:
                await c.connect(token=token(tenant="acme"))
                stream = await c.subscribe("a", told, snapshot=True, filter={"labels": {"tenant": list(TENANTS)}})
                for key, tenant in (("G9", "globex"), ("A1", "acme"), ("M", "acme"), ("M", "globex"), ("A2", "acme")):
                    assert (await put(key, tenant)).status == 200
                await c.reached("a", stream.start + 5)
                assert keys(stream.snapshot) == ["A1", "A2"] and stream.keys() == ["A1", "M", "A2"]
                ticket, at = c.welcome["ticket"], stream.position
                await c.send(type="refresh", token=token(tenant=["acme"], jti="same rows"))
                await put("A3", "acme")
                await c.reached("a", stream.start + 6)
                await c.send(type="refresh", token=token(tenant="globex"))
                again = await c.expect("subscribed", outcome="snapshot")
                assert again["reason"] == "filter_changed" and again["id"] == "a"
                await put("G9", "globex")
                await c.reached("a", again["position"]["offset"] + 1)
                ticket = c.welcome["ticket"]
            for tenant, outcome, reason in (("globex", "resumed", None), ("acme", "snapshot", "filter_changed")):
                async with door(rows.edge(1)["ws"]) as c:
                    await c.connect(token=token(tenant=tenant), ticket=ticket, **({"since": {"a": at}} if outcome == "resumed" else {}))
                    back = await c.expect("subscribed")
                    assert (back["outcome"], back.get("reason") or None) == (outcome, reason)
                    await put("A5", "acme")
                    await put("G5", "globex")
                    await c.reached("a", (await asyncio.to_thread(get, f"{http}/v1/channels/{told}", headers=bearer(root))).json()["last"])
                    shown = [f["incident"] for f in c.frames if "incident" in f] + [i for f in c.frames for i in f.get("incidents") or []]
                    assert shown and all(i["labels"]["tenant"] == tenant for i in shown)
                    ticket = c.welcome["ticket"]
        run(body())

    def test_events_stay_inside(self, rows, told):
        mine = bearer(token(tenant="acme", lasts=2))
        text = request("GET", f"{rows.edge()['http']}/v1/events?channel={told}&snapshot=true&label.tenant=acme,globex", None, mine, timeout=10).body
        text = text if isinstance(text, str) else text.decode()
        assert "acme A1" in text and "globex" not in text


def test_a_policy_that_is_reloaded_counts_at_once(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    config = tmp_path / "tocsin.yaml"

    def policy(text):
        config.write_text(f"auth:\n  key_file: {tmp_path / 'secret'}\n  row_policy: {text}\n")
    policy("tenant=label.tenant")
    with Pair(tmp_path, edge_flags=["--config", config, "--admin-loopback"]) as p:
        async def body():
            http, root = p.edge.http, token("root", tenant="*", team="*")
            put = lambda key, team: asyncio.to_thread(publish, http, "t/r", root, key, "acme", team=team)
            async with Client(p.edge.ws) as c, Client(p.edge.ws) as without:
                await c.connect(token=token(tenant="acme", team="red"))
                await without.connect(token=token(tenant="acme"))
                stream = await c.subscribe("a", "t/r")
                await without.subscribe("a", "t/r")
                assert (await put("B", "blue")).status == 200
                await c.reached("a", stream.start + 1)
                assert stream.keys() == ["B"]
                policy("tenant=label.tenant team=team")
                reply = await asyncio.to_thread(request, "POST", http + "/admin/reload")
                assert reply.status == 200 and [c["key"] for c in reply.json()["changed"]] == ["auth.row_policy"], reply
                assert await without.wait_closed() == 4401
                await c.expect("subscribed", outcome="snapshot", reason="filter_changed")
                for key, team in (("B", "blue"), ("R", "red")):
                    assert (await put(key, team)).status == 200
                await c.reached("a", 3)
                assert c.streams["a"].keys() == ["R"] and not c.streams["a"].snapshot
            mine = bearer(token(tenant="acme", team="red"))
            assert keys(get(f"{http}/v1/incidents?channel=t/r", headers=mine).json()["incidents"]) == ["R"]
            assert get(f"{http}/v1/incidents?channel=t/r", headers=bearer(token(tenant="acme"))).status == 401
        run(body())
