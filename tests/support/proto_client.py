"""A client of tocsin.v1.proto, on classes that protoc makes from proto/client.proto at test time. Frames are told to the rest of
the tests, and to the history checker, as the JSON of tocsin.v1.json: both doors are judged alike."""
import functools
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile

from .client import Client

SUBPROTOCOL = "tocsin.v1.proto"
PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


@functools.lru_cache(None)
def messages():
    """The module that protoc generates; Debian's python3-protobuf and protobuf-compiler are of one version."""
    folder = tempfile.mkdtemp(prefix="tocsin-proto-")
    subprocess.run(["protoc", f"--python_out={folder}", f"--proto_path={PROTO}", str(PROTO / "client.proto")], check=True, timeout=60)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("client_pb2")
    finally:
        sys.path.remove(folder)


def position_json(p):
    return {"epoch": f"{p.epoch:016x}", "offset": p.offset}


def incident_json(i):
    out = {}
    for field in i.DESCRIPTOR.fields:
        name = field.name
        if field.label == field.LABEL_REPEATED:
            value = getattr(i, name)
            if value:
                out[name] = dict(value) if name == "labels" else list(value)
        elif i.HasField(name) and not name.endswith("_json"):
            out[name] = getattr(i, name)
    for name in ("resolution", "metadata"):
        if i.HasField(name + "_json"):
            out[name] = json.loads(getattr(i, name + "_json"))
    if i.HasField("other_json"):
        other = json.loads(i.other_json)
        assert not other.keys() & out.keys(), "a member stands in one place"
        out.update(other)
    return out


def update_json(u):
    out = {"type": "update", "sub": u.sub, "offset": u.offset}
    if u.conflated:
        out["replaces"] = list(u.replaces)
    for name in ("event_id", "kind", "key", "at", "actor"):
        out[name] = getattr(u, name)
    if u.HasField("incident"):
        out["changed"], out["incident"] = list(u.changed), incident_json(u.incident)
    if u.HasField("event"):
        out["event"] = {"name": u.event.name, "data": json.loads(u.event.data_json or "null")}
    return out


# Members that JSON leaves out when they say nothing.
OPTIONAL = {"ticket", "reason", "ref", "id", "version"}


def server_json(data):
    """One ServerFrame as the frame of tocsin.v1.json."""
    frame = messages().ServerFrame.FromString(data)
    kind = frame.WhichOneof("frame")
    assert kind, "a ServerFrame is never empty"
    message = getattr(frame, kind)
    if kind == "update":
        return update_json(message)
    out = {"type": kind}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.name == "position":
            value = position_json(value)
        elif field.name == "incidents":
            value = [incident_json(i) for i in value]
        elif field.name == "details":
            value = {f.name: getattr(value, f.name) for f in value.DESCRIPTOR.fields}
        elif field.name in OPTIONAL and not value:
            continue
        out[field.name] = value
    return out


def fill_incident(message, incident):
    """Members that have a field go there, the rest by other_json."""
    other = {}
    for name, value in incident.items():
        if name in ("resolution", "metadata"):
            setattr(message, name + "_json", json.dumps(value))
        elif name == "labels" and value and all(isinstance(v, str) for v in value.values()):
            message.labels.update(value)
        elif name in ("affected_resources", "assignees") and value:
            getattr(message, name).extend(value)
        elif name in message.DESCRIPTOR.fields_by_name and isinstance(value, str):
            setattr(message, name, value)
        else:
            other[name] = value
    if other:
        message.other_json = json.dumps(other)


def set_position(message, position):
    message.epoch, message.offset = int(position["epoch"], 16), position["offset"]


def client_bytes(frame):
    """The ClientFrame that says what this JSON frame says."""
    out = messages().ClientFrame()
    message = getattr(out, frame["type"])
    message.SetInParent()
    for name, value in frame.items():
        if name == "type" or value is None:
            continue
        if name == "since" and frame["type"] == "connect":
            for id, position in value.items():
                set_position(message.since[id], position)
        elif name == "since":
            set_position(message.since, value)
        elif name == "filter":
            for member, wanted in value.items():
                if member == "labels":
                    for label, values in wanted.items():
                        message.filter.labels[label].values.extend(values)
                elif member == "active":
                    message.filter.active = wanted
                else:
                    getattr(message.filter, member).extend(wanted)
        elif name == "update":
            for member, content in value.items():
                if member == "incident":
                    message.update.incident.SetInParent()
                    fill_incident(message.update.incident, content)
                elif member == "event":
                    message.update.event.name = content["name"]
                    message.update.event.data_json = json.dumps(content.get("data"))
                else:
                    setattr(message.update, member, content)
        else:
            setattr(message, name, value)
    return out.SerializeToString()


class ProtoClient(Client):
    """Speaks tocsin.v1.proto, looks like Client."""

    def __init__(self, url, name="c1", history=None, **options):
        super().__init__(url, name, history, **{"subprotocols": [SUBPROTOCOL], **options})

    def decode(self, data):
        assert isinstance(data, bytes), "tocsin.v1.proto sends binary frames"
        frame = server_json(data)
        return frame, json.dumps(frame, separators=(",", ":"))

    def encode(self, frame):
        return client_bytes(frame)
