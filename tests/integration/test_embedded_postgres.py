"""The embedded PostgreSQL: fresh, stopped, restarted, killed, half made, in the way, refused; as root or not."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from passerelle.core.errors import PasserelleError
from passerelle.embedded import EmbeddedPostgres
from passerelle.embedded import server as server_module
from passerelle.embedded.child import is_running, until
from passerelle.embedded.ports import LOOPBACK, free_port

NOTHING: dict[str, str] = {"PATH": os.environ.get("PATH", os.defpath)}  # no DATABASE_URL: a server of our own


def make(folder: Path, **options: object) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, environ=NOTHING, **options)  # type: ignore[arg-type]


async def value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def write(dsn: str, number: int) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
    await connection.execute("INSERT INTO kept VALUES ($1)", number)
    await connection.close()


async def test_settings_hold_what_durability_needs(tmp_path: Path) -> None:
    async with make(tmp_path) as server:
        dsn = server.dsn()
        shown = {name: await value(dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")}
        assert shown == {"fsync": "on", "synchronous_commit": "on", "listen_addresses": LOOPBACK}
        assert await value(dsn, "SHOW wal_compression") in {"lz4", "off"}
        assert await value(dsn, "SELECT lower('ÉTÉ')") == "été"
        order = "SELECT array_agg(x ORDER BY x) FROM (VALUES ('a'), ('B'), ('é')) AS v(x)"
        assert await value(dsn, order) == ["B", "a", "é"]


async def test_data_outlives_stop_and_restart(tmp_path: Path) -> None:
    server = make(tmp_path)
    await server.start()
    dsn = await server.create_database("office", owner="registrar")
    await write(dsn, 1)
    port = server.port
    await server.restart()
    assert server.port == port
    await write(dsn, 2)
    await server.stop()
    assert server.pid is None
    again = make(tmp_path, port=port)
    async with again:
        assert await value(again.dsn("office", "registrar"), "SELECT sum(number) FROM kept") == 3
        assert await value(again.dsn("office", "registrar"), "SELECT current_user::text") == "registrar"


async def test_a_killed_server_recovers_what_was_committed(tmp_path: Path) -> None:
    async with make(tmp_path) as server:
        dsn = await server.create_database("office")
        await write(dsn, 7)
        await server.kill()
        assert server.pid is None
        assert (tmp_path / "pgdata" / "postmaster.pid").exists()  # the trace of a server that could not tidy up
        await server.restart()
        assert await value(dsn, "SELECT number FROM kept") == 7


async def test_a_stale_lock_that_names_another_program_is_removed(tmp_path: Path) -> None:
    server = make(tmp_path)
    await server.start()
    await server.kill()
    lock = tmp_path / "pgdata" / "postmaster.pid"
    lines = lock.read_text(encoding="utf-8").splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")
    await server.start()
    assert server.pid is not None
    await server.stop()


async def test_a_half_made_folder_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "pgdata.new"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("1\n", encoding="ascii")
    async with make(tmp_path) as server:
        assert await value(server.dsn(), "SELECT 1") == 1
    assert not half.exists()


async def test_a_port_in_use_is_chosen_around(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        async with make(tmp_path, port=taken) as server:
            assert server.port != taken
            assert await value(server.dsn(), "SELECT 1") == 1


async def test_a_port_lost_between_choice_and_use_is_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        answers = [taken, free_port()]
        monkeypatch.setattr(server_module, "free_port", lambda preferred: answers.pop(0))
        async with make(tmp_path) as server:
            assert server.port != taken
    assert not answers


async def test_a_second_user_of_the_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    async with make(tmp_path):
        with pytest.raises(PasserelleError) as caught:
            await make(tmp_path).start()
    assert caught.value.code == "lease-held"
    assert str(os.getpid()) in caught.value.what


async def test_a_wrong_password_is_named_without_being_shown(tmp_path: Path) -> None:
    async with make(tmp_path) as server:
        address = f"postgresql://passerelle:not-the-secret@{LOOPBACK}:{server.port}/postgres"
        given = EmbeddedPostgres(tmp_path / "other", environ={"DATABASE_URL": address})
        assert given.external
        with pytest.raises(PasserelleError) as caught:
            await given.start()
    assert caught.value.code == "database-unavailable"
    assert "refused the user or the password" in str(caught.value)
    assert "not-the-secret" not in str(caught.value)


async def test_a_given_server_is_used_and_left_alone(tmp_path: Path) -> None:
    async with make(tmp_path) as server:
        given = EmbeddedPostgres(tmp_path / "other", environ={"DATABASE_URL": server.dsn()})
        async with given:
            await write(await given.create_database("guest"), 3)
            with pytest.raises(PasserelleError, match="not ours"):
                await given.kill()
        assert await value(server.dsn("guest"), "SELECT number FROM kept") == 3
        assert not (tmp_path / "other").exists()


async def test_no_server_at_a_given_address_is_said(tmp_path: Path) -> None:
    address = f"postgresql://ana@{LOOPBACK}:{free_port()}/office"
    with pytest.raises(PasserelleError, match="does not answer"):
        await EmbeddedPostgres(tmp_path, environ={"DATABASE_URL": address}).start()


async def test_passwords_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    async with make(tmp_path) as server:
        dsn = await server.create_database("office", owner="registrar")
        files = sorted((tmp_path / "secrets").iterdir())
        assert [file.name for file in files] == ["passerelle.pgpass", "registrar.pgpass"]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        password = files[1].read_text(encoding="utf-8").strip().rpartition(":")[2]
        assert len(password) == 48
        assert password not in dsn
        assert password not in server.log.read_text(encoding="utf-8")
        assert not list(tmp_path.rglob("*.password"))


async def test_the_wheels_server_needs_nothing_on_the_path(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, environ={"PATH": "/nonexistent"}, origin="wheel") as server:
        assert server.programs is not None
        assert server.programs.origin == "wheel"
        assert await value(server.dsn(), "SELECT lower('É')") == "é"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another account")
@pytest.mark.parametrize("origin", ["system", "wheel"])
async def test_where_namespaces_are_refused_an_account_without_rights_runs_it(tmp_path: Path, origin: str) -> None:
    if origin == "system" and shutil.which("postgres") is None and not Path("/usr/lib/postgresql").is_dir():
        pytest.skip("no PostgreSQL is installed on this machine")
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)  # as a home folder may be: the account cannot pass
    server = make(folder, isolation="account", origin=origin)
    try:
        async with server:
            assert server.pid is not None
            assert os.stat(f"/proc/{server.pid}").st_uid != 0
            dsn = await server.create_database("office")
            await write(dsn, 5)
            await server.kill()
            await server.restart()
            assert await value(dsn, "SELECT number FROM kept") == 5
            placed = server._isolation.place(folder) if server._isolation else folder
            assert placed != folder
    finally:
        shutil.rmtree(placed)


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
NOBODY = 65534


def account(user: int | None) -> dict[str, Any]:
    """Arguments of Popen that change the account."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def python_for(user: int) -> str | None:
    """Return a Python of our version that the account may run and that finds our packages, or None."""
    for python in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
        argv = [python, "-c", "import asyncpg, passerelle.embedded"]
        try:
            probe = subprocess.run(
                argv, env=ENVIRONMENT, check=False, capture_output=True, timeout=60, cwd="/", **account(user)
            )
        except OSError:
            continue
        if probe.returncode == 0:
            return python
    return None


SCRIPT = """
import asyncio, sys
from pathlib import Path
from passerelle.embedded import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), environ={"PATH": sys.argv[2]})
    await server.start()
    print(server.pid, server.dsn(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def start_script(folder: Path, python: str = sys.executable, user: int | None = None) -> "subprocess.Popen[str]":
    argv = [python, "-c", SCRIPT, str(folder), NOTHING["PATH"]]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, **account(user))


async def test_the_server_dies_with_a_killed_parent_and_the_next_start_waits_for_it(tmp_path: Path) -> None:
    parent = start_script(tmp_path)
    assert parent.stdout is not None
    pid, dsn = (await asyncio.to_thread(parent.stdout.readline)).split()
    await write(dsn, 9)
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=10)
    parent.stdout.close()
    async with make(tmp_path) as server:
        assert await value(server.dsn(), "SELECT number FROM kept") == 9
        assert await until(lambda: not is_running(int(pid)), 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as this user, who is not root, in every other test here")
async def test_it_runs_as_a_user_who_is_not_root() -> None:
    python = python_for(NOBODY)
    if python is None:
        pytest.skip("an account without rights can run no Python here that finds our packages")
    folder = Path(tempfile.mkdtemp(prefix="passerelle-test-"))
    os.chown(folder, NOBODY, NOBODY)
    parent = start_script(folder, python, NOBODY)
    try:
        assert parent.stdout is not None
        pid, dsn = (await asyncio.to_thread(parent.stdout.readline)).split()
        assert await value(dsn, "SELECT 1") == 1
        assert os.stat(f"/proc/{pid}").st_uid == NOBODY
        parent.terminate()
        parent.wait(timeout=30)
        parent.stdout.close()
        assert await until(lambda: not is_running(int(pid)), 20)
    finally:
        parent.kill()
        shutil.rmtree(folder)
