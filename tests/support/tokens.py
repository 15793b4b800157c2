"""Tokens for tests: signed here with HS256, independently of the programs."""
import base64
import hashlib
import hmac
import json
import time

SECRET = "0123456789abcdef0123456789abcdef"


def encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(subject="bob", channels=("*",), publish=("*",), lasts=3600, secret=SECRET, header=None, **claims):
    now = time.time()
    payload = {"sub": subject, "iat": int(now), "exp": now + lasts, "permissions": {"subscribe": list(channels), "publish": list(publish)}, **claims}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header or {"alg": "HS256", "typ": "JWT"}, payload))
    return text + "." + encoded(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def bearer(text):
    return {"Authorization": f"Bearer {text}"}
