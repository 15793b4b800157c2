"""tocsinctl token mint: what it makes is a JSON Web Token that openssl says is signed by the key."""
import base64
import json
import subprocess
import time

import pytest

from support.programs import run_program

SECRET = "0123456789abcdef0123456789abcdef"


def mint(*args):
    return run_program("tocsinctl", "token", "mint", *args)


def parts(token):
    def decoded(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    header, payload, signature = token.strip().split(".")
    return json.loads(decoded(header)), json.loads(decoded(payload)), f"{header}.{payload}".encode(), decoded(signature)


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


def test_what_it_says(secret):
    done = mint("--secret-file", secret, "--subject", "bob", "--channels", "incidents,tenant-7/*", "--publish", "incidents", "--expires", "5m",
                "--issuer", "me", "--audience", "you", "--kid", "k1")
    assert done.code == 0, done
    header, payload, text, signature = parts(done.out)
    assert header == {"alg": "HS256", "typ": "JWT", "kid": "k1"}
    assert payload.pop("exp") - payload["iat"] == 300 and abs(payload.pop("iat") - time.time()) < 60
    assert payload == {"sub": "bob", "iss": "me", "aud": "you",
                       "permissions": {"subscribe": ["incidents", "tenant-7/*"], "publish": ["incidents"], "admin": []}}
    assert openssl("dgst", "-sha256", "-hmac", SECRET, "-binary", input=text) == signature


@pytest.mark.parametrize("algorithm, make", [
    ("RS256", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("ES256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("EdDSA", ["-algorithm", "ED25519"]),
])
def test_private_keys(tmp_path, algorithm, make):
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    openssl("genpkey", *make, "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    done = mint("--key-file", key, "--subject", "bob", "--json")
    assert done.code == 0, done
    said = done.json()
    assert said["algorithm"] == algorithm and said["subject"] == "bob"
    header, _, text, signature = parts(said["token"])
    assert header["alg"] == algorithm
    (tmp_path / "text").write_bytes(text)
    if algorithm == "ES256":  # a JWS has the two numbers bare; openssl wants them in DER
        def number(raw):
            raw = raw.lstrip(b"\0")
            raw = (b"\0" if raw[0] & 0x80 else b"") + raw
            return bytes([2, len(raw)]) + raw
        assert len(signature) == 64
        numbers = number(signature[:32]) + number(signature[32:])
        signature = bytes([0x30, len(numbers)]) + numbers
    (tmp_path / "signature").write_bytes(signature)
    how = ["-rawin"] if algorithm == "EdDSA" else ["-rawin", "-digest", "sha256"]
    openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-sigfile", tmp_path / "signature", "-in", tmp_path / "text", *how)


@pytest.mark.parametrize("args, word", [
    (["--subject", "bob"], "--secret-file"),
    (["--subject", "bob", "--secret-file", "SECRET", "--channels", "a*b"], "a*b"),
    (["--subject", "bob", "--secret-file", "SECRET", "--expires", "soon"], "soon"),
    (["--subject", "", "--secret-file", "SECRET"], "--subject"),
    (["--subject", "bob", "--key-file", "SECRET"], "PEM"),
])
def test_what_it_refuses(secret, args, word):
    done = mint(*[str(secret) if arg == "SECRET" else arg for arg in args])
    assert done.code == 2 and word in done.err and not done.out, done


def test_a_short_secret_is_refused(tmp_path):
    (tmp_path / "short").write_text("short\n")
    done = mint("--subject", "bob", "--secret-file", tmp_path / "short")
    assert done.code == 2 and "32 bytes" in done.err, done
