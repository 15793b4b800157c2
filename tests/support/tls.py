"""A certificate authority of the test's own, and certificates from it, made with the openssl program."""
import pathlib
import ssl
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Authority:
    """`Authority(folder).issue("edge")` -> (certificate file, key file) for localhost and 127.0.0.1."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.dir / "ca.pem", self.dir / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
                "-keyout", self.key, "-out", self.cert)

    def issue(self, name, algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=2):
        cert, key, request, names = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", *algorithm, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days, "-extfile", names, "-out", cert)
        return cert, key

    def flags(self, name="edge", **more):
        cert, key = self.issue(name, **more)
        return ["--tls-cert-file", cert, "--tls-key-file", key]

    def client(self, **limits):
        """A client's context that believes this authority only. `minimum`, `maximum`: ssl.TLSVersion."""
        context = ssl.create_default_context(cafile=str(self.cert))
        for name, version in limits.items():
            setattr(context, f"{name}_version", version)
        return context
