"""Kafka's own jars: fetched once from where Maven artifacts are published, cached for the user, checked by SHA-256.

What to fetch stands in coordinates.txt. A jar enters the cache only when its size and hash are the listed ones, by a
rename, so that an interrupted download is never taken for a whole one; all of them are hashed again at each use (45 MB,
about a tenth of a second), so that a damaged cache mends itself.
"""

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from importlib import resources
from pathlib import Path

from passerelle.core.errors import PasserelleError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is: bytes for downloads."""

_PARALLEL = 4
_TRIES = 3
_TIMEOUT_SECONDS = 60
_TRUST_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TRUST_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class Jar:
    """One artifact: Maven group, name and version, size in bytes, SHA-256 in hexadecimal."""

    group: str
    name: str
    version: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name in the cache; group included, as names alone may repeat."""
        return f"{self.group}_{self.name}-{self.version}.jar"

    def matches(self, path: Path) -> bool:
        """Say whether the file at `path` is this artifact, whole and unchanged."""
        try:
            if path.stat().st_size != self.size:
                return False
            with path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


def read_coordinates(text: str) -> list[Jar]:
    """Parse coordinates.txt: `group:name:version size sha256` on each line, `#` starts a comment."""
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, size, sha256 = line.split()
            group, name, version = coordinate.split(":")
            jars.append(Jar(group, name, version, int(size), sha256))
    return jars


def kafka_jars() -> list[Jar]:
    """Return what Kafka consists of."""
    return read_coordinates((resources.files(__package__) / "coordinates.txt").read_text(encoding="utf-8"))


def cache_folder(environ: Mapping[str, str], fallback: Path) -> Path:
    """Return the first folder that can be written: XDG_CACHE_HOME/passerelle, HOME/.cache/passerelle, `fallback`."""
    choices = []
    if environ.get("XDG_CACHE_HOME", "").startswith("/"):
        choices.append(Path(environ["XDG_CACHE_HOME"]) / "passerelle")
    if environ.get("HOME", "").startswith("/"):
        choices.append(Path(environ["HOME"]) / ".cache" / "passerelle")
    for folder in choices:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return fallback


def ensure_jars(folder: Path, jars: list[Jar], progress: Progress | None = None) -> list[Path]:
    """Return the paths of `jars` in `folder`, fetching those that are missing or damaged.

    Raises `runtime-missing` when one cannot be fetched, or is not what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not jar.matches(folder / jar.filename)]
    total = sum(jar.size for jar in missing)
    done = 0
    if missing:
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch,
            _machines_trust(),
            ThreadPoolExecutor(_PARALLEL, "passerelle-fetch") as pool,
        ):
            fetches = {pool.submit(_fetch, jar, Path(scratch), folder): jar for jar in missing}
            try:
                for fetch in as_completed(fetches):
                    fetch.result()
                    done += fetches[fetch].size
                    if progress is not None:
                        progress("fetching Apache Kafka", done, total)
            finally:
                pool.shutdown(cancel_futures=True)
    return [folder / jar.filename for jar in jars]


@contextmanager
def _machines_trust() -> Iterator[None]:
    """Let downloads trust the certificates that this machine trusts, as an office's proxy may need.

    The client library would otherwise know only its own list; what the user has set stays. Every jar is checked by
    SHA-256 in any case.
    """
    if any(os.environ.get(name) for name in _TRUST_VARIABLES):
        yield
        return
    given = [os.environ.get("SSL_CERT_FILE"), os.environ.get("PIP_CERT"), ssl.get_default_verify_paths().cafile]
    bundle = next((path for path in [*given, *_TRUST_FILES] if path and os.access(path, os.R_OK)), None)
    if bundle is not None:
        os.environ[_TRUST_VARIABLES[0]] = bundle
    try:
        yield
    finally:
        os.environ.pop(_TRUST_VARIABLES[0], None)


def _fetch(jar: Jar, scratch: Path, folder: Path) -> None:
    from jgo.maven import MavenContext

    reason = ""
    for attempt in range(_TRIES):
        # Each try has a folder of its own: a cut-off download would be taken for whole by the next.
        context = MavenContext(repo_cache=scratch / f"{jar.filename}.{attempt}", timeout=_TIMEOUT_SECONDS)
        try:
            path = context.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; the library raises RuntimeError
            reason = type(error).__name__
            continue
        if jar.matches(path):
            path.replace(folder / jar.filename)
            return
        reason = "size or SHA-256 differ from the listed ones"
    raise PasserelleError(
        "runtime-missing",
        f"{jar.group}:{jar.name}:{jar.version} could not be fetched: {reason}.",
        where=str(folder),
        fix="Check the network and try again, or set KAFKA_BOOTSTRAP_SERVERS to a running broker.",
    )
