"""What is in front of pods in the tests: the Ingress and its Services. New connections go in turn to ready pods that a Service selects, a
share of them to the canary's Service; open ones stay where they are. Bytes are passed as they come."""
import asyncio
import itertools
import random
import threading

from .kube_nodes import is_ready


class Front:
    """`with Front(api, nodes, service, canary=None, percent=0) as front:`; `nodes`: all sets of pods. Services are read anew for every
    connection, as the API server has them."""

    def __init__(self, api, nodes, port, service="tocsin-edge", canary=None, percent=0, seed=1):
        self.api, self.nodes, self.port = api, nodes, port
        self.service, self.canary, self.percent = service, canary, percent
        self.random, self._turn = random.Random(seed), itertools.count()
        self.refused = 0   # connections for which there was no pod

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def endpoints(self, service):
        """Addresses of ready pods that the Service selects."""
        selector = self.api.get("services", service)["spec"]["selector"].items()
        ready = {p["metadata"]["name"] for p in self.api.all("pods") if is_ready(p) and selector <= p["metadata"]["labels"].items()}
        return [(pod.ip, n.port) for n in self.nodes for name, pod in sorted(n.pods.items()) if name in ready]

    def candidates(self):
        service = self.canary if self.canary and self.random.random() * 100 < self.percent else self.service
        found = self.endpoints(service) or self.endpoints(self.service)
        turn = next(self._turn) % len(found) if found else 0
        return found[turn:] + found[:turn]

    def __enter__(self):
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._ready.wait(20), "the front did not start"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def _run(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512))
        self._ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def _serve(self, reader, writer):
        for ip, port in self.candidates():
            try:
                back_reader, back_writer = await asyncio.open_connection(ip, port)
                break
            except OSError:
                continue
        else:
            self.refused += 1
            writer.transport.abort()
            return
        await asyncio.gather(self._pass(reader, back_writer), self._pass(back_reader, writer))

    @staticmethod
    async def _pass(reader, writer):
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        writer.close()
