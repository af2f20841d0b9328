"""What the pages are made of stays on this server, and vendored files are the ones that were looked at."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from passerelle.portal.http.app import SECURITY
from passerelle.portal.http.site import asset

PORTAL = Path(__file__).parents[3] / "services/passerelle/portal"
VENDOR = PORTAL / "static/vendor"


def test_vendored_files_are_those_recorded_with_their_licence() -> None:
    recorded = json.loads((VENDOR / "VENDORED.json").read_text(encoding="utf-8"))
    named = {"VENDORED.json"}
    for package in recorded.values():
        assert package["license_file"] in package["files"]
        for name, digest in package["files"].items():
            named.add(name)
            assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    assert {path.name for path in VENDOR.iterdir()} == named


def test_pages_name_no_address_elsewhere() -> None:
    found = []
    own = [*PORTAL.glob("templates/*.html"), *PORTAL.glob("static/*")]
    assert len(own) > 10
    for path in own:
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            found += [f"{path.name}: {match}" for match in re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}", text)]
            found += [f"{path.name}: @import" for _ in re.findall(r"@import|@font-face", text)]
    assert not found


def test_templates_carry_no_inline_style_or_script() -> None:
    for path in PORTAL.glob("templates/*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style", text), path.name
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, path.name
        assert "|safe" not in text.replace(" ", ""), path.name


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = SECURITY["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_addresses_of_static_files_change_with_their_content() -> None:
    digest = hashlib.sha256((PORTAL / "static/portal.css").read_bytes()).hexdigest()
    assert asset("portal.css") == f"/static/portal.css?v={digest[:12]}"
    with pytest.raises(KeyError):
        asset("absent.css")
