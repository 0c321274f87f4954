"""The bundled server in another process, behind a proxy on another origin, with TLS and a self-made authority."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.reverse_proxy import ReverseProxy
from tests.test_harness_run import COMMAND, ROOT, environment
from tests.test_serve import serving

SECONDS = 400
CREDENTIALS = {
    "PDPP_OWNER_PASSWORD": "a password for behind the proxy",
    "PDPP_INTROSPECTION_CLIENT_ID": "resource server",
    "PDPP_INTROSPECTION_CLIENT_SECRET": "a secret for behind the proxy",
}
SELECTED = (
    "features/2_metadata_honesty/2_2_protected_resource_metadata.feature",
    "features/3_device_authorization/3_5_owner_agent.feature",
)
HOST = "localhost"


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certification authority of one's own, and a server's certificate by it; return the former's file."""
    now = datetime.datetime.now(datetime.UTC)
    names = {who: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)]) for who in ("our own authority", HOST)}
    keys = {who: ec.generate_private_key(ec.SECP256R1()) for who in names}

    def certificate(who: str, *extensions: tuple[x509.ExtensionType, bool]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[who])
            .issuer_name(names["our own authority"])
            .public_key(keys[who].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(keys["our own authority"], hashes.SHA256())

    own = certificate("our own authority", (x509.BasicConstraints(ca=True, path_length=0), True))
    alternative = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    served = certificate(HOST, (alternative, False))
    (folder / "authority.pem").write_bytes(own.public_bytes(Encoding.PEM))
    (folder / "served.pem").write_bytes(
        keys[HOST].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + served.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "served.pem")
    return folder / "authority.pem", context


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--report-dir", str(folder / "report"), "--max-wait", "5", *arguments],
        cwd=ROOT, env=environment(**CREDENTIALS), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def test_behind_tls_on_another_origin(tmp_path: Path) -> None:
    """Real time, https, a proxy's origin, an authority of one's own: conformant, in the browser too, nothing left."""
    authorities, tls = authority(tmp_path)
    target = tmp_path / "target.yaml"
    with ReverseProxy(tls=tls, host=HOST) as proxy:
        proxy.port = free_port()
        target.write_text(f"base_url: {proxy.url}\ncertification_authorities: {authorities.name}\n", "utf-8")
        options = ("--port", str(proxy.port), "--database", "sqlite://", "--public-url", proxy.url)
        with serving(*options, **CREDENTIALS) as served:
            assert served.url == proxy.url
            done = run(tmp_path, "--target", str(target), *SELECTED)
            unknown = run(tmp_path / "unknown", "--base-url", proxy.url, SELECTED[1])
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report" / "run.json").read_text("utf-8"))
    assert (report["outcome"], report["residue"], report["faults"]) == ("conformant", [], [])
    assert (report["target"]["bundled"], report["target"]["base_url"]) == (False, proxy.url)
    assert report["counts"]["PASS"] > 20
    seen = (tmp_path / "report" / "exchanges.jsonl").read_text("utf-8")
    assert "owner's browser" in seen
    assert f"127.0.0.1:{proxy.port}" not in seen
    assert unknown.returncode == 7
    assert "CERTIFICATE_VERIFY_FAILED" in unknown.stdout
    assert "Traceback" not in unknown.stdout
