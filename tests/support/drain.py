"""Drains by the edges' own door (POST /admin/drain from loopback), and what their reports say."""
from .http import get, post_json
from .wait import until

# Drains that need no token from this host, and are short enough to wait for.
CONFIG = "admin:\n  loopback: true\ndrain:\n  lb_settle_ms: 200\n  offer_ms: 3000\n"
FLAGS = ("--admin-loopback", "--drain-lb-settle-ms", "200", "--drain-offer-ms", "3000")
OVER = ("done", "aborted", "deadline")


def order(http, what="drain", **members):
    """Starts a move on an edge; its status."""
    reply = post_json(f"{http}/admin/{what}", members, timeout=10)
    assert reply.status in (200, 202), reply
    return reply.json()


def status(http):
    reply = get(f"{http}/admin/status", timeout=10)
    assert reply.status == 200, reply
    return reply.json()


def report(http):
    """The report of the running or last move."""
    reply = get(f"{http}/admin/report", timeout=10)
    assert reply.status == 200, reply
    return reply.json()


def until_over(http, timeout=40):
    """Waits for the end of the move; its report."""
    def look():
        now = report(http)
        return now if now["state"] in OVER else None
    return until(look, f"the move of {http} to be over", timeout, pause=0.05)


def until_moving(http, share=0.1, timeout=20):
    """Waits until some are on their way, so that what happens then happens in the middle."""
    return until(lambda: (lambda r: r if r["migrated"] >= share * max(1, r["planned"]) else None)(report(http)), f"a move of {http} to be under way", timeout,
                 pause=0.01)
