"""The compose file and its configuration files: read by the services' own models, without a password anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from passerelle.gateway.config import GatewayConfig
from passerelle.insight.config import InsightConfig
from passerelle.ledger.config import LedgerConfig
from passerelle.portal.config import PortalConfig
from passerelle.query.config import QueryConfig
from passerelle.runtime.config import ServiceConfig

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGS: dict[str, type[ServiceConfig]] = {
    "ledger": LedgerConfig,
    "query": QueryConfig,
    "portal": PortalConfig,
    "insight": InsightConfig,
    "gateway": GatewayConfig,
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_each_configuration_is_read_by_its_service(name: str) -> None:
    config = CONFIGS[name].load(ROOT / "deploy" / "compose" / f"{name}.toml")
    assert config.network == "ledger.passerelle.example/2026"
    assert config.root_public_key_file == Path("/run/secrets/root_public_key")


def test_every_service_is_there_and_has_a_health_check() -> None:
    services = COMPOSE["services"]
    running = {name for name, service in services.items() if "profiles" not in service}
    assert running == {"kafka", "postgres", "ledger", "query", "portal", "insight", "gateway", "operator", "node"}
    assert all("healthcheck" in services[name] for name in running)


def test_no_password_has_a_default() -> None:
    for name, service in COMPOSE["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            secret = "PASSWORD" in variable or "SECRET" in variable or "KEY" in variable
            assert not secret or str(value).startswith("/run/secrets/"), (name, variable)
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert all(file.startswith("deploy/compose/secrets/") for file in files)


def test_what_a_service_reads_is_given_to_it() -> None:
    for name, service in COMPOSE["services"].items():
        text = "".join(
            (ROOT / COMPOSE["configs"][item["source"]]["file"]).read_text() for item in service.get("configs", ())
        )
        named = {word.rsplit("/", 1)[1].strip('"') for word in text.split() if word.startswith('"/run/secrets/')}
        assert named <= set(service.get("secrets", ())), name


def test_published_ports_are_bound_to_this_machine() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
