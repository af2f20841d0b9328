"""Where PostgreSQL's programs and data go when root must hand them to an account without rights."""

import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.embedded.isolation import Isolation, choose_isolation

NOBODY = (65534, 65534)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files to another account")


def closed_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_root_never_runs_it_as_itself() -> None:
    chosen = choose_isolation("account")
    assert chosen.user is not None
    assert chosen.user[0] != 0


def test_programs_that_the_account_cannot_reach_are_copied_once(tmp_path: Path) -> None:
    install = closed_folder(tmp_path) / "install"
    (install / "bin").mkdir(parents=True)
    program = install / "bin" / "postgres"
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    isolation = Isolation(user=NOBODY)
    copy = isolation.programs(install)
    try:
        assert copy != install
        assert (copy / "bin" / "postgres").read_text(encoding="ascii") == "#!/bin/sh\n"
        assert all(way.stat().st_mode & 0o001 for way in [copy / "bin", *copy.parents])
        assert isolation.programs(install) == copy
        assert Isolation().programs(install) == install
    finally:
        shutil.rmtree(copy.parent)


def test_a_place_that_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = closed_folder(tmp_path) / "data"
    name = sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    squatted = Path("/var/tmp") / f"passerelle-{name}"
    squatted.mkdir()
    os.chown(squatted, *NOBODY)
    try:
        with pytest.raises(PasserelleError, match="somebody else") as caught:
            Isolation(user=NOBODY).place(folder)
        assert caught.value.where == str(squatted)
    finally:
        squatted.rmdir()


def test_files_of_an_earlier_account_come_back_to_root(tmp_path: Path) -> None:
    folder = tmp_path / "pgdata"
    (folder / "base").mkdir(parents=True)
    Isolation(user=NOBODY).own(folder)
    assert (folder / "base").stat().st_uid == NOBODY[0]
    Isolation(prefix=("unshare",)).own(folder)
    assert (folder / "base").stat().st_uid == 0
