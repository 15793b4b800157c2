"""One run: a server on its core, the load generator on the other, /proc read at each phase the generator reports."""
import json, subprocess, time, urllib.request

import servers
from proc import cpu_of, rss_of, shared_of

LOADGEN = servers.BIN / "tocsin-loadgen"


def sample(server, settle=0.0):
    pids = server.pids()
    cpu, beside = cpu_of(pids), cpu_of(server.beside())
    time.sleep(settle)
    return {"cpu": cpu, "beside": beside, "rss": rss_of(pids) + shared_of(pids), "writes": writes(server)}


def writes(server):
    """Tocsin counts its writes; None for the others."""
    if not isinstance(server, servers.Tocsin):
        return None
    scheme = "https" if server.tls else "http"
    try:
        text = urllib.request.urlopen(f"{scheme}://{server.target()}/metrics", timeout=5, context=servers.UNVERIFIED if server.tls else None).read().decode()
    except OSError:
        return None
    return next((int(float(l.split()[1])) for l in text.splitlines() if l.startswith("tocsin_edge_net_writes_total ")), None)


def drive(server, profile, core):
    """Runs the generator; samples by phase, its report."""
    prefix = ["chrt", "-r", "1"] if server.realtime else []
    phases = {"start": sample(server, 0.2)}
    load = subprocess.Popen([*prefix, "taskset", "-c", str(1 - core), LOADGEN, "--gate", *server.flags(), *profile.arguments(type(server).name).split()],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in load.stdout:
        if not line.startswith("phase "):
            return phases, json.loads(line), load.wait() == 0
        name = line.split()[1]
        phases[name] = sample(server, {"subscribed": profile.settle, "left": server.rest if profile.settle else 0}.get(name, 0))
        load.stdin.write("\n")
        load.stdin.flush()
    load.wait()
    return phases, {}, False


def between(phases, a, b, key="cpu"):
    return phases[b][key] - phases[a][key] if a in phases and b in phases else 0


def ratio(a, b, digits=0):
    return round(a / b, digits) if b else None


def figures(profile, phases, seen):
    """The numbers of one run; None where the run does not tell."""
    clients, deliveries = max(seen.get("opened", 0), 1), seen["deliveries"]
    measured = between(phases, "subscribed", "measured")
    wrote = phases["measured"]["writes"] if "measured" in phases else None
    return {
        "deliveries": deliveries, "cpu_s": round(measured, 3), "beside_cpu_s": round(between(phases, "subscribed", "measured", "beside"), 3),
        "deliveries_per_cpu_s": ratio(deliveries, measured), "cpu_us_per_update": ratio(measured * 1e6, seen["published"], 1),
        "connects_per_cpu_s": ratio(clients, between(phases, "start", "subscribed")),
        "bytes_per_client": ratio(between(phases, "start", "subscribed", "rss"), clients),
        "left_per_client": ratio(between(phases, "start", "left", "rss"), clients),
        "growth": between(phases, "subscribed", "measured", "rss"),
        "frames_per_write": ratio(deliveries, wrote - phases["subscribed"]["writes"], 2) if wrote else None,
        "bytes_per_delivery": ratio(seen["bytes"], deliveries), "p50_us": seen["delivery_us"]["p50"], "p99_us": seen["delivery_us"]["p99"],
        "max_us": seen["delivery_us"]["max"], "acknowledged_us": seen["acknowledged_us"]["p50"], "storm_s": round(seen["storm_seconds"], 3),
        "storm_connect_s": round(seen["storm_connect_seconds"], 3), "storm_cpu_s": round(between(phases, "away", "back"), 3),
        "too_slow": seen["too_slow"], "revived": seen["revived"], "published": seen["published"], "connect_s": round(seen["connect_seconds"], 3),
    }


def run(cls, profile, core):
    """The figures of one run; `whole` is False when a stream was not, or a server or the generator failed."""
    started = time.monotonic()
    try:
        with cls(core) as server:
            phases, seen, ok = drive(server, profile, core)
        if not seen:
            return {"whole": False, "why": "the load generator gave no report"}
        wanted = {"tls": bool(seen["tls"]), "deflate": seen["deflating"] == seen["opened"] and seen["opened"] > 0}
        for feature, had in wanted.items():
            if getattr(cls, feature) and not had:
                ok, seen["why"] = False, f"no {feature}"
        why = {} if ok else {"why": seen.get("why") or {k: seen[k] for k in ("failed", "closed_early", "gaps", "duplicates", "lost", "errors", "complete")}}
        return {"whole": ok, **figures(profile, phases, seen), **why, "wall_s": round(time.monotonic() - started, 1)}
    except (RuntimeError, TimeoutError, OSError) as e:
        return {"whole": False, "why": str(e)}
