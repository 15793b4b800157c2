"""`tocsinctl backup` with the real programs: the drill of a restore, what is refused, the schedule, the export."""
import asyncio
import gzip
import hashlib
import json
import os
import resource
import subprocess
import tarfile

from support.client import Client, Follower
from support.history import History
from support.http import get, post_lines
from support.process import Pair
from support.programs import clean_env, program, run_program
from support.publisher import Publisher
from support.wait import run, until, until_async

from test_whole import make_updates, urls


def ctl(*args, **more):
    return run_program("tocsinctl", "backup", *args, **more)


def publish(edge, first, last, channel="incidents"):
    lines = [{"channel": channel, "event_id": f"e{i}", "key": f"K{i % 10}", "incident": {"title": str(i)}} for i in range(first, last + 1)]
    reply = post_lines(edge.http + "/v1/updates", lines)
    assert reply.status == 200, reply
    return reply.json()["results"]


def data_of(pair):
    return ("--data", pair.broker.data)


def made(pair, *more):
    done = ctl("create", *data_of(pair), "--reserve", "0", "--json", *more)
    assert done.code == 0, done
    return done.json()


def files(folder):
    return sorted(f.name for f in folder.iterdir()) if folder.exists() else []


def test_the_drill_a_restore_under_connected_clients_is_told_to_each_and_every_stream_stays_whole(cluster, tmp_path):
    """Publish, back up, publish more, restore with one command; publishers repeat themselves, the checker judges."""
    history = History(tmp_path / "history.jsonl", all_publishers=True, history_kept=True)

    async def body():
        both = urls(cluster, "ws")
        async with Client(both[0], "first") as c:
            start = (await c.subscribe("s")).position
        followers = [Follower(both, "all-0", history, since=start), Follower(both[::-1], "all-1", history, since=start),
                     Follower(both, "active", history, filter={"active": True}, snapshot=True)]
        quiet = Follower(both, "quiet", history, channel="quiet")   # a channel that loses nothing
        for f in (*followers, quiet):
            f.start()
            await asyncio.wait_for(f.attached.wait(), 20)
        publisher = Publisher(urls(cluster, "http"), "p0", history)
        updates = make_updates("p0", 1_000)
        other = [{**u, "channel": "quiet", "event_id": "q" + u["event_id"]} for u in updates[:20]]
        await publisher.publish_all(updates[:600] + other)
        backup = await asyncio.to_thread(cluster.ctl, "backup", "create", "--json")
        assert backup.code == 0, backup
        await publisher.publish_all(updates[600:])
        for f in followers:
            await f.reached(1_000)
        await quiet.reached(20)
        epochs = {f.name: f.epoch for f in (*followers, quiet)}

        restored = await asyncio.to_thread(cluster.ctl, "backup", "restore", "--json", timeout=90)
        assert restored.code == 0, restored
        report = restored.json()
        assert (report["new_epochs"], report["kept_epochs"]) == (1, 1), report
        await asyncio.to_thread(cluster.wait_ready)
        for f in followers:
            await until_async(lambda f=f: f.epoch != epochs[f.name], f"{f.name} to be told of the new epoch")
        # Publishers that repeat what was not in the backup fill the hole.
        await publisher.publish_all(updates[500:])
        for f in followers:
            await f.reached(1_000)
        assert quiet.epoch == epochs["quiet"] and not quiet.lost
        for f in followers[:2]:
            assert set(f.lost) == {"epoch_changed"}, f.lost
        for f in (*followers, quiet):
            assert f.sockets == 1, f"{f.name} was disconnected"
            await f.stop()
    try:
        run(body(), 120)
        history.settled()
        history.must_hold()
    finally:
        history.close()
    status = json.loads(cluster.ctl("status", "--json").out)
    assert status["supervisor"]["maintenance"] is False


def test_a_restore_that_is_refused_leaves_a_running_cluster_running(cluster, tmp_path):
    assert cluster.ctl("backup", "create").code == 0
    broker = cluster.pid_of("broker")
    bad = tmp_path / "bad.tar"
    bad.write_bytes(b"x" * 5000)
    refused = cluster.ctl("backup", "restore", bad)
    assert refused.code == 1 and "not a backup of Tocsin" in refused.err, refused
    dry = cluster.ctl("backup", "restore", "--dry-run")
    assert dry.code == 0 and "would stop the broker" in dry.out, dry
    assert cluster.pid_of("broker") == broker, "it was not stopped for this"


def test_a_backup_while_publishers_publish_is_whole_and_tools_of_every_day_read_it(tmp_path):
    with Pair(tmp_path) as p:
        publish(p.edge, 1, 3000)
        entry = made(p)
        publish(p.edge, 3001, 3100)
        with tarfile.open(entry["file"]) as tar:
            assert tar.getnames() == ["rows.zst", "manifest.json"]
            manifest = json.load(tar.extractfile("manifest.json"))
            assert hashlib.sha256(tar.extractfile("rows.zst").read()).hexdigest() == manifest["sha256"]
        assert manifest == entry["manifest"] and manifest["updates"] == 3000
        assert os.stat(entry["file"]).st_mode & 0o777 == 0o600
        verified = ctl("verify", *data_of(p), "--json")
        assert verified.code == 0 and verified.json()["manifest"] == manifest
        second = made(p)
        listed = ctl("list", *data_of(p), "--json").lines()
        assert [e["file"] for e in listed] == [second["file"], entry["file"]]
        pruned = ctl("prune", *data_of(p), "--keep", "1", "--json")
        assert pruned.code == 0 and pruned.json()["removed"] == [entry["file"]]


def test_what_cannot_be_done_is_said_by_its_reason_and_leaves_nothing_half_done(tmp_path):
    with Pair(tmp_path) as p:
        publish(p.edge, 1, 2000)
        folder = tmp_path / "backups"
        entry = made(p)
        before = files(folder)

        running = ctl("restore", *data_of(p))
        assert running.code == 1 and "in use by another broker" in running.err, running
        nowhere = ctl("create", "--data", tmp_path / "nowhere")
        assert nowhere.code == 4 and "name the broker's data folder" in nowhere.err, nowhere
        full = ctl("create", *data_of(p), "--reserve", str(1 << 40))
        assert full.code == 1 and "to stay free" in full.err, full

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))   # what a full disk looks like to a writer
        cut = subprocess.run([program("tocsinctl"), "backup", "create", "--data", str(p.broker.data), "--reserve", "0"], capture_output=True,
                             text=True, env=clean_env(), preexec_fn=small_files, check=False)
        assert cut.returncode == 1 and "no space left" in cut.stderr, cut
        assert files(folder) == before, "a failed backup leaves nothing"

        p.broker.stop()
        data = p.broker.data
        with open(entry["file"], "r+b") as f:
            f.truncate(os.path.getsize(entry["file"]) // 2)
        log = (data / "log.db").read_bytes()
        for command in ("verify", "restore"):
            short = ctl(command, entry["file"], *data_of(p))
            assert short.code == 1 and "cut short" in short.err, short
        none = ctl("restore", *data_of(p))
        assert none.code == 4 and "there is no backup in" in none.err, none
        listed = ctl("list", *data_of(p))
        assert "NOT USABLE" in listed.out and "cut short" in listed.out, listed
        assert (data / "log.db").read_bytes() == log

        whole = ctl("create", *data_of(p), "--reserve", "0", "--json").json()["file"]   # also while the broker is stopped
        tight = subprocess.run([program("tocsinctl"), "backup", "restore", whole, "--data", str(data)], capture_output=True, text=True,
                               env=clean_env(), preexec_fn=small_files, check=False)
        assert tight.returncode == 1 and "nothing was changed" in tight.stderr, tight
        assert (data / "log.db").read_bytes() == log
        assert not [name for name in files(data) if "restor" in name], files(data)
        home = tmp_path / "home"
        home.mkdir()
        (home / "letters.txt").write_text("dear")
        wrong = ctl("restore", whole, "--data", home)
        assert wrong.code == 2 and "no broker's data folder" in wrong.err, wrong
        p.broker.start()
        until(lambda: get(p.edge.http + "/v1/channels/incidents").json().get("last") == 2000, "the log, untouched")


def test_the_broker_makes_backups_by_itself_and_tells_how_old_the_newest_is(tmp_path):
    flags = ("--backup-every-s", "3600", "--backup-reserve-mb", "0", "--backup-folder", str(tmp_path / "shelf"))
    with Pair(tmp_path, broker_flags=flags) as p:
        def metric(name):
            text = get(p.broker.http + "/metrics").body.decode()
            return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " ") or line.startswith(name + "{"))
        until(lambda: metric('tocsin_broker_backups_total{outcome="done"}') == 1, "the first backup")
        assert metric("tocsin_broker_backup_newest_timestamp_seconds") > 1.7e9
        assert metric("tocsin_broker_backup_interval_seconds") == 3600
        assert ctl("verify", "--folder", tmp_path / "shelf").code == 0


def test_the_export_has_the_form_that_other_tools_read(tmp_path):
    with Pair(tmp_path) as p:
        async def body():
            async with Client(p.edge.ws, "c") as c:
                await c.subscribe("mine", filter={"severity": ["P0"]})
                session = c.welcome["session"]

                def exported():
                    made(p)
                    return ctl("export", *data_of(p), "--to", tmp_path / "out", "--json").json()
                return session, await until_async(lambda: (e := exported()) and e["sessions"] == 1 and e, "the session to be recorded")
        session, done = run(body(), 60)
        raw = open(done["file"], "rb").read()
        document = json.loads(gzip.decompress(raw))
        assert set(document) == {"metadata", "connections", "sessions", "redis_sessions"}
        assert document["metadata"]["backup_type"] == "full" and document["metadata"]["version"] == "1.0"
        connection = document["connections"][f"edge-0/{session}"]
        assert connection["session_id"] == session and connection["rooms"] == ["incidents"] and connection["namespace"] == "/"
        assert connection["subscription_data"]["mine"]["filter"] == {"severity": ["P0"]}
        assert document["sessions"][session]["data"]["edge"] == "edge-0"
        assert f"vedfolnir:session:{session}" in document["redis_sessions"]
        metadata = json.load(open(done["metadata"], encoding="utf-8"))
        assert metadata["backup_id"] == done["backup_id"] and done["file"].endswith(f"websocket_backup_{done['backup_id']}.json.gz")
        assert metadata["checksum"] == hashlib.md5(raw).hexdigest() and metadata["file_size"] == len(raw)
        assert (metadata["connection_count"], metadata["session_count"], metadata["compressed"]) == (1, 1, True)
