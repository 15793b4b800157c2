"""A small API server: HTTPS, bearer tokens, the roles of our own manifests, objects with resourceVersions, lists, watches, merge patches;
and the faults that a real one has. It keeps to what the supervisor's side of Kubernetes is documented to do, and is stricter where that
finds mistakes: a request that the role does not name is 403, a MicroTime with other than six digits is 422."""
import asyncio
import copy
import json
import random
import re
import ssl
import threading
import uuid

from aiohttp import web

COLLECTIONS = {   # (group path, resource) -> kind
    ("/api/v1", "pods"): "Pod",
    ("/api/v1", "configmaps"): "ConfigMap",
    ("/apis/apps/v1", "statefulsets"): "StatefulSet",
    ("/apis/coordination.k8s.io/v1", "leases"): "Lease",
}
GROUPS = {"/api/v1": "", "/apis/apps/v1": "apps", "/apis/coordination.k8s.io/v1": "coordination.k8s.io"}
MICRO_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


def failure(code, reason, message):
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}
    return web.json_response(body, status=code)


def merge(into, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    out = dict(into) if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


class Faults:
    """What goes wrong; counts run down, the rest stays until it is changed."""

    def __init__(self):
        self.conflicts = 0      # patches that are answered 409
        self.gone = 0           # watches that are answered 410
        self.errors = 0         # requests that are answered 500
        self.slow = 0.0         # seconds before any answer
        self.down = False       # connections are closed without an answer
        self.chance = 0.0       # of each of these, at every request


class ApiServer:
    """`with ApiServer(folder, authority, rules) as api:`; objects are read and changed from any thread."""
    KEPT = 200   # events; a watch from before is told 410

    def __init__(self, folder, authority, rules, namespace="tocsin", seed=1):
        self.cert, self.key = authority.issue("kube-api")
        self.ca_file = authority.cert
        self.rules, self.namespace = rules, namespace
        self.token_file = folder / "token"
        self.faults, self.random = Faults(), random.Random(seed)
        self.lock = threading.RLock()
        self.objects, self.events, self.version = {}, [], 100
        self.compacted = self.version
        self.requests, self.refused = [], []
        self._watchers = set()
        self._ready = threading.Event()
        self.rotate_token()

    # ---- for tests, any thread
    def rotate_token(self):
        """The one before is good no more."""
        self.token = uuid.uuid4().hex
        self.token_file.write_text(self.token + "\n")

    def put(self, resource, name, change, kind="MODIFIED"):
        """change(object or None) -> the object to keep, None to delete it. The kept one, a copy."""
        with self.lock:
            key = (resource, name)
            before = self.objects.get(key)
            after = change(copy.deepcopy(before))
            if after is None and before is None:
                return None
            if after is not None and before is not None:
                same = {**after, "metadata": {**after["metadata"], "resourceVersion": None}} == \
                    {**before, "metadata": {**before["metadata"], "resourceVersion": None}}
                if same:
                    return copy.deepcopy(before)
            self.version += 1
            if after is None:
                event, shown = "DELETED", copy.deepcopy(before)
                del self.objects[key]
            else:
                event, shown = ("MODIFIED" if before is not None else "ADDED"), after
                meta = shown.setdefault("metadata", {})
                meta.setdefault("name", name)
                meta.setdefault("namespace", self.namespace)
                meta.setdefault("uid", str(uuid.uuid4()))
                self.objects[key] = shown
            shown["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, event, resource, copy.deepcopy(shown)))
            if len(self.events) > self.KEPT:
                self.compacted = self.events[-self.KEPT - 1][0]
                del self.events[:-self.KEPT]
            self._wake()
            return copy.deepcopy(shown)

    def get(self, resource, name):
        with self.lock:
            return copy.deepcopy(self.objects.get((resource, name)))

    def all(self, resource):
        with self.lock:
            return [copy.deepcopy(o) for (r, _), o in sorted(self.objects.items()) if r == resource]

    def scale(self, name, replicas):
        """What kubectl scale or an autoscaler does."""
        def change(o):
            o["spec"]["replicas"] = replicas
            return o
        self.put("statefulsets", name, change)

    def compact(self):
        """Every watch that is opened from a version before now is told 410."""
        with self.lock:
            self.compacted = self.version
            self.events.clear()

    def drop_watches(self):
        """Their connections are cut in the middle."""
        self._call(lambda: [w.cut() for w in list(self._watchers)])

    def expire_watches(self):
        """Each gets an ERROR event that says 410."""
        self._call(lambda: [w.expire() for w in list(self._watchers)])

    def watches(self):
        return len(self._watchers)

    # ---- its life
    def __enter__(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._ready.wait(20), "the API server did not start"
        return self

    def __exit__(self, *_):
        self._call(self.loop.stop)
        self.thread.join(10)

    def _run(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.cert, self.key)

        async def start():
            app = web.Application(client_max_size=8 << 20)
            app.router.add_route("*", "/{path:.*}", self._serve)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
            return runner, site   # whoever is not kept is closed
        self._kept = self.loop.run_until_complete(start())
        self._ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def _call(self, what):
        self.loop.call_soon_threadsafe(what)

    def _wake(self):
        if self._ready.is_set():
            self._call(lambda: [w.news.set() for w in self._watchers])

    # ---- requests
    def _hit(self, name):
        with self.lock:
            if getattr(self.faults, name) > 0:
                setattr(self.faults, name, getattr(self.faults, name) - 1)
                return True
            return self.faults.chance > 0 and self.random.random() < self.faults.chance

    def _permitted(self, group, resource, name, verb):
        for rule in self.rules:
            named = rule.get("resourceNames")
            if GROUPS[group] in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"] and (not named or name in named):
                return True
        return False

    async def _serve(self, request):
        faults = self.faults
        if faults.slow:
            await asyncio.sleep(faults.slow)
        if faults.down:
            request.transport.abort()
            return web.Response()
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused.append(("401", request.path))
            return failure(401, "Unauthorized", "Unauthorized")
        m = re.match(r"^(/api/v1|/apis/[^/]+/v1)/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/([^/]+))?$", request.path)
        if not m or (m[1], m[3]) not in COLLECTIONS or m[2] != self.namespace:
            return failure(404, "NotFound", f"the server could not find {request.path}")
        group, resource, name, sub = m[1], m[3], m[4], m[5]
        watch = request.query.get("watch") in ("1", "true")
        verb = {"GET": "watch" if watch else "get" if name else "list", "PATCH": "patch"}.get(request.method, request.method.lower())
        self.requests.append((verb, resource, name, sub))
        if not self._permitted(group, f"{resource}/{sub}" if sub else resource, name, verb):
            self.refused.append((verb, resource, name, sub))
            return failure(403, "Forbidden", f'{resource} "{name or ""}" is forbidden: cannot {verb} resource')
        if self._hit("errors"):
            return failure(500, "InternalError", "etcdserver: request timed out")
        if verb == "watch":
            return await self._watch(request, resource)
        if verb == "list":
            return self._list(request, group, resource)
        if name is None or request.method not in ("GET", "PATCH"):
            return failure(405, "MethodNotAllowed", "the server does not allow this method")
        if request.method == "GET":
            found = self.get(resource, name)
            return web.json_response(self._shown(found, sub)) if found else self._missing(resource, name)
        return await self._patch(request, resource, name, sub)

    @staticmethod
    def _missing(resource, name):
        return failure(404, "NotFound", f'{resource} "{name}" not found')

    @staticmethod
    def _shown(found, sub):
        if sub != "scale":
            return found
        meta = {k: v for k, v in found["metadata"].items() if k in ("name", "namespace", "uid", "resourceVersion")}
        spec = {"replicas": found["spec"]["replicas"]} if found["spec"].get("replicas") else {}
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": {"replicas": 0}}

    async def _patch(self, request, resource, name, sub):
        if request.content_type != "application/merge-patch+json":
            return failure(415, "UnsupportedMediaType", f"{request.content_type} is no patch that is taken here")
        try:
            patch = json.loads(await request.text())
        except ValueError as e:
            return failure(400, "BadRequest", str(e))
        for member in ("renewTime", "acquireTime"):
            given = patch.get("spec", {}).get(member) if resource == "leases" else None
            if given is not None and not MICRO_TIME.match(given):
                return failure(422, "Invalid", f"{member}: {given} is no MicroTime")
        if self._hit("conflicts"):
            return failure(409, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
        with self.lock:
            found = self.objects.get((resource, name))
            if found is None:
                return self._missing(resource, name)
            expected = patch.get("metadata", {}).pop("resourceVersion", None)
            if expected is not None and expected != found["metadata"]["resourceVersion"]:
                return failure(409, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
            kept = self.put(resource, name, lambda o: merge(o, patch))
        return web.json_response(self._shown(kept, sub))

    @staticmethod
    def _selector(request):
        labels = dict(p.split("=", 1) for p in request.query.get("labelSelector", "").split(",") if p)
        fields = dict(p.split("=", 1) for p in request.query.get("fieldSelector", "").split(",") if p)
        assert set(fields) <= {"metadata.name"}, fields
        name = fields.get("metadata.name")

        def fits(o):
            have = o["metadata"].get("labels", {})
            return (name is None or o["metadata"]["name"] == name) and all(have.get(k) == v for k, v in labels.items())
        return fits

    def _list(self, request, group, resource):
        fits = self._selector(request)
        with self.lock:
            items = [o for o in self.all(resource) if fits(o)]
            body = {"kind": COLLECTIONS[group, resource] + "List", "metadata": {"resourceVersion": str(self.version)}, "items": items}
        return web.json_response(body)

    async def _watch(self, request, resource):
        since = int(request.query["resourceVersion"])
        if self._hit("gone") or since < self.compacted:
            return failure(410, "Expired", "too old resource version")
        return await Watch(self, request, resource, since).run()


class Watch:
    """One open watch: what happened since, one JSON line each, until somebody ends it."""

    def __init__(self, api, request, resource, since):
        self.api, self.request, self.resource, self.since = api, request, resource, since
        self.fits = api._selector(request)
        self.news, self.ends = asyncio.Event(), None

    def cut(self):
        self.ends = "cut"
        self.news.set()

    def expire(self):
        self.ends = "expire"
        self.news.set()

    async def run(self):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(self.request)
        self.api._watchers.add(self)
        end = asyncio.get_running_loop().time() + float(self.request.query.get("timeoutSeconds", "300"))
        try:
            while asyncio.get_running_loop().time() < end:
                with self.api.lock:
                    news = [e for e in self.api.events if e[0] > self.since]
                for version, event, resource, shown in news:
                    self.since = version
                    if resource == self.resource and self.fits(shown):
                        await response.write(json.dumps({"type": event, "object": shown}).encode() + b"\n")
                if self.ends == "expire":
                    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                    await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                    break
                if self.ends == "cut":
                    self.request.transport.abort()
                    return response
                self.news.clear()
                try:
                    await asyncio.wait_for(self.news.wait(), 5)
                except asyncio.TimeoutError:
                    mark = {"kind": "Bookmark", "metadata": {"resourceVersion": str(self.since)}}
                    await response.write(json.dumps({"type": "BOOKMARK", "object": mark}).encode() + b"\n")
            await response.write_eof()
        except (ConnectionResetError, ConnectionError):
            pass
        finally:
            self.api._watchers.discard(self)
        return response
