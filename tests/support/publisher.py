"""A publisher that records: at least once with the same event_id until it is answered, over HTTP at any of several edges."""
import asyncio
import json

import aiohttp


def incident(n, **members):
    """A small incident change for incident number n."""
    base = {"title": f"Incident {n}", "severity": f"P{n % 5}", "status": "detected", "labels": {"service": ["api", "db", "web"][n % 3]}}
    base.update(members)
    return base


class Publisher:
    """Sends updates in batches; `position_of` maps event_id to its acknowledged position."""

    def __init__(self, urls, name="p1", history=None):
        self.urls, self.name, self.history = list(urls), name, history
        self.position_of, self.refused = {}, {}
        self.attempts = 0

    async def publish_all(self, updates, batch=50):
        """Publishes every update, in order, until each is acknowledged or refused for good."""
        timeout = aiohttp.ClientTimeout(total=15)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for i in range(0, len(updates), batch):
                await self._deliver(session, updates[i:i + batch])

    async def _deliver(self, session, updates):
        for update in updates:
            assert update.get("event_id"), "a publisher that retries must name its events"
            if self.history:
                self.history.line(publisher=self.name, e="sent", update=update)
        left = list(updates)
        while left:
            url = self.urls[self.attempts % len(self.urls)] + "/v1/updates"
            self.attempts += 1
            body = "\n".join(json.dumps(u) for u in left) + "\n"
            try:
                async with session.post(url, data=body.encode(), headers={"Content-Type": "application/x-ndjson"}) as reply:
                    answer = await reply.json(content_type=None)
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError, json.JSONDecodeError):
                await asyncio.sleep(0.02)   # pace of attempts
                continue
            results = answer.get("results")
            if results is None:   # nothing of it was taken: try again, elsewhere
                await asyncio.sleep(0.02)
                continue
            again = [u for u, r in zip(left, results) if not self._settle(u, r)]
            if again:   # order within a key must hold: everything after the first failure of a key was sent too, so only pace
                await asyncio.sleep(0.02)
            left = again

    def _settle(self, update, result):
        event_id = update["event_id"]
        if "position" in result:
            self.position_of[event_id] = result["position"]
            if self.history:
                self.history.line(publisher=self.name, e="acked", channel=update.get("channel", "incidents"), event_id=event_id,
                                  position=result["position"])
            return True
        if result["error"].get("retry") == "never":
            self.refused[event_id] = result["error"]["code"]
            if self.history:
                self.history.line(publisher=self.name, e="refused", event_id=event_id, code=result["error"]["code"])
            return True
        return False
