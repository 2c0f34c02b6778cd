"""Switches behind TLS: client certificates with roles, passwords, and errors that say what to do."""

from __future__ import annotations

import datetime
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.reconcile import apply_plan, check
from raddle.errors import InputError
from raddle.inventory import Access, ClientTls, Inventory, load_inventory
from raddle.lab.switches.programmed import Doors, switch_farm
from raddle.nos.farm import ServerTls
from raddle.topology import bundled_examples, load
from tests.fabrics import pod_running

x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

FABRIC = load(bundled_examples()["leaf-spine-16"])
PLAN = make_plan(FABRIC, "ecmp")
NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._sign("test CA", self._key.public_key(), is_ca=True)

    def issue(self, name: str, days: int = 1) -> tuple[bytes, bytes]:
        """Certificate and key for a common name at 127.0.0.1; negative days: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._sign(name, key.public_key(), days=days), secret

    def _sign(
        self, name: str, public: ec.EllipticCurvePublicKey, days: int = 1, is_ca: bool = False
    ) -> bytes:
        def named(text: str) -> Any:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("test CA"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(days=9))
            .not_valid_after(NOW + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


CA = Authority()


def server(days: int = 1, asks: bool = True) -> ServerTls:
    certificate, key = CA.issue("switch", days)
    return ServerTls(certificate, key, CA.pem if asks else None)


def client(name: str) -> ClientTls:
    certificate, key = CA.issue(name)
    return ClientTls(CA.pem, certificate, key)


def test_a_client_with_a_role_programs_the_switches_and_others_do_not() -> None:
    doors = Doors(tls=server(), clients=("controller",))
    with switch_farm(FABRIC, PLAN, doors=doors) as farm:
        addresses = dict(farm.addresses)
        stranger = check(PLAN, Inventory(FABRIC.name, addresses, Access(client("stranger"))))[0]
        assert "does not know this caller: gRPC UNAUTHENTICATED: Unauthenticated" in stranger.error
        results = apply_plan(PLAN, Inventory(FABRIC.name, addresses, Access(client("controller"))))
        assert all(result.is_in_sync for result in results)


def test_a_readonly_role_reads_and_is_told_that_it_may_not_write() -> None:
    doors = Doors(tls=server(), clients=("controller",))
    with switch_farm(FABRIC, PLAN, doors=doors) as farm:
        for switch in farm.switches.values():
            roles = {"watcher": {"role": ["gnmi_config_db_readonly", "gnmi_readonly"]}}
            switch.write(config={"GNMI_CLIENT_CERT": roles})  # type: ignore[dict-item]
        watcher = Inventory(FABRIC.name, dict(farm.addresses), Access(client("watcher")))
        assert all(result.is_reached and not result.error for result in check(PLAN, watcher))
        refused = apply_plan(PLAN, watcher)[0]
        assert "watcher does not have access, target gnmi_config_db" in refused.error
        assert farm.switches["leaf0"].databases.config.get("STATIC_ROUTE") is None


def test_a_password_is_asked_for_and_a_wrong_one_is_refused_without_being_shown() -> None:
    doors = Doors(tls=server(asks=False), users={"admin": "s3cret"})
    with switch_farm(FABRIC, PLAN, doors=doors) as farm:
        tls = ClientTls(CA.pem)
        good = Inventory(FABRIC.name, dict(farm.addresses), Access(tls, "admin", "s3cret"))
        wrong = Inventory(FABRIC.name, dict(farm.addresses), Access(tls, "admin", "guess7"))
        refused = check(PLAN, wrong)[0]
        assert "RADDLE_PASSWORD" in refused.error
        assert "guess7" not in refused.error + repr(wrong)
        assert all(result.is_reached for result in check(PLAN, good))


P4_FABRIC = pod_running("p4", "p4", leaves=1, spines=1)


def test_p4runtime_asks_for_the_same_roles_as_gnmi() -> None:
    plan = make_plan(P4_FABRIC, "ecmp")
    doors = Doors(tls=server(), clients=("controller",))
    with switch_farm(P4_FABRIC, plan, doors=doors) as farm:
        for switch in farm.switches.values():
            roles = {
                "controller": {"role": ["gnmi_readwrite"]},
                "watcher": {"role": ["gnmi_readonly"]},
                "narrow": {"role": ["gnmi_p4rt_readwrite"]},
                "other": {"role": ["gnmi_config_db_readwrite"]},
            }
            switch.write(config={"GNMI_CLIENT_CERT": roles})  # type: ignore[dict-item]

        def inventory(name: str) -> Inventory:
            return Inventory(P4_FABRIC.name, dict(farm.addresses), Access(client(name)))

        refused = apply_plan(plan, inventory("watcher"))[0]
        assert "PERMISSION_DENIED: watcher does not have access, target gnmi_p4rt" in refused.error
        assert "hint: give this client's certificate a role that may write" in refused.error
        assert farm.switches["leaf0"].p4 is not None
        assert farm.switches["leaf0"].p4.forwarding.pipeline is None
        for name, words in (("stranger", "does not know this caller"), ("other", "does not have access")):
            assert words in check(plan, inventory(name))[0].error
        assert all(each.is_in_sync for each in apply_plan(plan, inventory("narrow")))
        assert not any(each.changes or each.error for each in check(plan, inventory("watcher")))
        assert all(each.is_in_sync for each in apply_plan(plan, inventory("controller")))


def test_p4runtime_asks_for_the_same_password_as_gnmi() -> None:
    plan = make_plan(P4_FABRIC, "ecmp")
    with switch_farm(P4_FABRIC, plan, doors=Doors(tls=server(asks=False), users={"admin": "s3cret"})) as farm:
        addresses, tls = dict(farm.addresses), ClientTls(CA.pem)
        refused = apply_plan(plan, Inventory(P4_FABRIC.name, addresses, Access(tls, "admin", "guess7")))[0]
        assert "UNAUTHENTICATED: Invalid Username or Password" in refused.error
        good = Inventory(P4_FABRIC.name, addresses, Access(tls, "admin", "s3cret"))
        assert all(each.is_in_sync for each in apply_plan(plan, good))


def test_an_expired_certificate_is_told_as_such() -> None:
    with switch_farm(FABRIC, PLAN, doors=Doors(tls=server(days=-1))) as farm:
        result = check(PLAN, Inventory(FABRIC.name, dict(farm.addresses), Access(client("controller"))))[0]
        assert not result.is_reached
        assert "cannot be reached over TLS" in result.error
        assert "openssl x509" in result.error


def test_a_plain_text_client_of_a_tls_switch_is_told_so() -> None:
    with switch_farm(FABRIC, PLAN, doors=Doors(tls=server())) as farm:
        result = check(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))[0]
        assert 'does it ask for TLS? Then the inventory needs "tls"' in result.error


def test_plain_text_is_served_on_loopback_only() -> None:
    with pytest.raises(InputError, match="give TLS files"):
        switch_farm(FABRIC, PLAN, doors=Doors(host="0.0.0.0"))


def written(folder: Path, **parts: object) -> Path:
    path = folder / "inventory.json"
    switches = {"leaf0": {"address": "192.0.2.1:8080"}}
    path.write_text(json.dumps({"fabric": "pod", "switches": switches, **parts}))
    return path


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    login = tmp_path / "login.json"
    login.write_text('{"username": "admin", "password": "s3cret"}')
    login.chmod(0o640)
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    path = written(tmp_path, credentials="login.json", tls={"ca": "ca.pem"})
    with pytest.raises(InputError, match=r"open-secrets.*mode 640") as caught:
        load_inventory(path)
    assert "s3cret" not in str(caught.value)
    login.chmod(0o600)
    assert load_inventory(path).access == Access(ClientTls(CA.pem), "admin", "s3cret")


def test_the_environment_comes_before_the_file_and_no_password_goes_out_in_plain_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADDLE_USERNAME", "admin")
    monkeypatch.setenv("RADDLE_PASSWORD", "s3cret")
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    assert load_inventory(written(tmp_path, tls={"ca": "ca.pem"})).access.username == "admin"
    with pytest.raises(InputError, match="open-password"):
        load_inventory(written(tmp_path))


def test_a_saved_inventory_names_the_ca_and_lets_a_client_in(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("switch")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    with switch_farm(FABRIC, PLAN, doors=Doors(tls=ServerTls(certificate, key))) as farm:
        Inventory(FABRIC.name, dict(farm.addresses), ca_file=str(ca)).save(tmp_path / "inventory.json")
        results = check(PLAN, load_inventory(tmp_path / "inventory.json"))
    assert all(result.is_reached for result in results)
