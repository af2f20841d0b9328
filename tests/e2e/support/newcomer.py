"""What somebody in a registrar's office does between the commands of docs/registrar.md, and the operator's part."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import secrets
import shlex
import shutil
from contextlib import chdir
from pathlib import Path

import asyncpg
import httpx
from cryptography.hazmat.primitives.serialization import Encoding
from tests.e2e.support.reading import Command, real, shown_files, shown_table
from tests.unit.node.signed_pdf import authority, signed_pdf

from passerelle.embedded import free_port
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.keeper import Keeper
from passerelle.testing.faults.network import NETWORK, OPERATOR, Network, Ran

MEMBER = "brookside"
RECEIVER = "york"
HEADER = "record_id,achievement,conferred_on,learner_student_number,learner_name,learner_birth_date"
WAIT_S = 30.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


class Newcomer:
    """A member that joins a running federation by the page alone, with a folder of its own and one at the receiver."""

    def __init__(self, network: Network, folder: Path, page: str) -> None:
        self.network = network
        self.page = page
        self.office = folder / "office"
        self.receiver = folder / "receiver"
        self.node = self.office / f"{MEMBER}-node"
        self.port = free_port()
        self.dsn = ""
        self.said: dict[str, Ran] = {}
        """What each command said that was followed, by its text on the page."""
        self.refused_by_selftest = 0
        """Events that the ledger refused on purpose."""
        self._logs = folder / "logs"
        self._keeper = Keeper(self._logs)
        self._run: tuple[str, ...] = ()
        self._values: dict[str, str] = {}
        for made in (self.office, self.receiver):
            made.mkdir()

    # Following the page

    async def arrive(self) -> None:
        """Have what the page takes for granted: a database, the operator's addresses and root public key."""
        self.dsn = await self.network.postgres.create_database(f"node_{MEMBER}")
        shutil.copy(self.network.folder / OPERATOR / "root.pub", self.office)
        soon = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=200)
        self._values = {
            "/etc/passerelle/node.toml": str(self.node / "node.toml"),
            "broker.example:9092": self.network.kafka.bootstrap,
            "query.example:7443": self.network.query,
            "postgresql://node@127.0.0.1/humber": self.dsn,
            "ledger.passerelle.example/2026": NETWORK,
            "127.0.0.1:8090": f"127.0.0.1:{self.port}",
            # A release ends in the future, whenever this runs.
            "2027-06-30": soon.isoformat(),
        }

    def real(self, text: str) -> str:
        """The page's text with the names and addresses of this federation."""
        return real(text, self._values, {"humber": MEMBER, "queens": RECEIVER})

    async def type(self, command: Command, *, folder: Path, config: Path | None = None) -> Ran:
        """Run a command in a folder as the page has it; its exit code is the caller's to judge."""
        text = self.real(command.text)
        with chdir(folder):
            if command.text.startswith("passerelle "):
                ran = await self.network.command(*shlex.split(text)[1:], config=config)
            else:
                ran = await self._shell(text)
        self.said[command.text] = ran
        return ran

    async def _shell(self, text: str) -> Ran:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(text, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def ask(self, *argv: str, config: Path | None = None, folder: Path | None = None) -> Ran:
        """A command that stands in a sentence of the page, or is another's; it must succeed."""
        with chdir(folder or self.office):
            ran = await self.network.command(*argv, config=config)
        assert ran.code == 0, f"{argv}: {ran}"
        return ran

    def file(self, name: str, *lines: str) -> None:
        """Write a file of the office."""
        (self.office / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    # The node

    async def be_admitted(self) -> None:
        """The operator's part, after admission.json was sent."""
        sent, operator = self.node / "admission.json", self.network.sites[OPERATOR].toml
        await self.ask("operator", "admit", str(sent), "--wait", str(WAIT_S), config=operator)

    async def run(self, command: Command) -> None:
        """``node run``, as a process that stays, until the registry shows the key; then the doctor finds nothing."""
        self._run = tuple(shlex.split(self.real(command.text))[1:])
        await self.start()

        async def shown() -> bool:
            found = (await self.ask("node", "status", "--json")).json()
            return bool(found["key_shown"])

        assert await wait_for(shown, timeout_s=WAIT_S, every_s=0.1), "the registry does not show the key"
        await self.ask("node", "doctor")

    async def start(self) -> None:
        """Start the node as it was started before."""
        self._keeper = Keeper(self._logs)
        with chdir(self.office):
            self._keeper.start("node-newcomer", *self._run)
            await self._keeper.until_ready("node-newcomer")

    async def stop(self) -> None:
        """Stop the node."""
        codes = await self._keeper.stop()
        assert set(codes.values()) <= {0}, codes

    async def change_key(self) -> None:
        """Another key encryption key, in a file: as the page says it before ``rewrap``."""
        await self.stop()
        toml = self.node / "node.toml"
        before = toml.read_text(encoding="utf-8")
        (self.node / "node-before.toml").write_text(before, encoding="utf-8")
        self._secret(self.node / "learners-2.key")
        assert '"learners.key"' in before
        toml.write_text(before.replace('"learners.key"', '"learners-2.key"'), encoding="utf-8")

    @staticmethod
    def _secret(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")

    # Files

    async def first_files(self) -> None:
        """The two files that the page shows; the node runs, and takes pushes by the page's own table."""
        for name, text in shown_files(self.page).items():
            (self.office / name).write_text(text, encoding="utf-8")
        self._secret(self.node / "push.token")
        shutil.copy(self.node / "push.token", self.office)
        table = shown_table(self.page, "push").replace("8090", str(self.port))
        with (self.node / "node.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{table}")
        await self.start()

    async def see_award(self) -> None:
        """The award is accepted. After a selftest it is not the second event of its stream but the latest."""
        [record] = (await self.ask("node", "records", "--record", "A-2026-0142", "--json")).json()
        assert record["state"] == "accepted", record
        found = (await self.ask("node", "status", "--json")).json()
        [latest] = [one["accepted"] for one in found["streams"] if one["family"] == "credential"]
        self._values["humber/credential/2"] = self._values["humber/credential/17"] = f"{MEMBER}/credential/{latest}"
        self.refused_by_selftest = found["totals"]["refused"]

    async def more_awards(self) -> None:
        """Rows that are new beside the one that the ledger has."""
        await self._add("A-2026-0143,revit,2026-06-19,SAMPLE-0143,Sample Learner Two,1999-10-11")

    async def _add(self, row: str) -> None:
        with (self.office / "awards.csv").open("a", encoding="utf-8") as file:
            file.write(f"{row}\n")

    async def import_awards(self) -> None:
        """The import after its dry run."""
        found = (await self.ask("node", "import", "awards.csv", "--json")).json()
        assert (found["new"], found["unchanged"], found["refused"]) == (1, 1, 0), found

    async def think_again(self) -> None:
        """Two imports whose undo window is open; the page's two ids stand for theirs."""
        told = _UUID.findall(self.page)
        assert len(set(told)) == 2, told
        for number in (150, 151):
            name = f"window-{number}.csv"
            row = f"A-2026-0{number},revit,2026-06-20,SAMPLE-0{number},Sample Learner {number},1998-01-02"
            self.file(name, HEADER, row)
            await self.ask("node", "import", name, "--undo-window", "30m")
        listed = (await self.ask("node", "drafts", "list", "--json")).json()
        self._values.update(zip(told, (one["import"] for one in listed), strict=True))

    async def another_award(self) -> None:
        """A row for the program that pushes."""
        await self._add("A-2026-0144,revit,2026-06-21,SAMPLE-0144,Sample Learner Three,1997-03-04")

    async def see_job(self) -> None:
        """What became of the push, as the page says to ask for it."""
        [pushed] = [ran for text, ran in self.said.items() if text.startswith("curl ")]
        job = json.loads(pushed.out)
        token = (self.office / "push.token").read_text(encoding="ascii").strip()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:

            async def ended() -> bool:
                answer = await client.get(f"http://127.0.0.1:{self.port}/v1/jobs/{job['id']}")
                job.update(answer.raise_for_status().json())
                return job["ended_at"] is not None

            assert await wait_for(ended, timeout_s=WAIT_S, every_s=0.1), job
        assert (job["state"], job["report"]["new"], job["report"]["refused"]) == ("done", 1, 0), job

    async def student_system(self) -> None:
        """A student information system on PostgreSQL, with a role that may only read."""
        server = self.network.postgres
        owner = await server.create_database("sis")
        passfile = await server.create_role("sis_reader")
        assert passfile is not None
        password = passfile.read_text(encoding="utf-8").strip().rpartition(":")[2]
        (self.office / "sis.password").touch(mode=0o600)
        self.file("sis.password", password)
        self.file("awards.sql", f"SELECT {HEADER.replace(',', ', ')} FROM award")
        self._values["postgresql://reader@sis.example/sis"] = (
            f"postgresql://sis_reader@127.0.0.1:{server.port}/sis?sslmode=disable"
        )
        connection = await asyncpg.connect(owner)
        try:
            await connection.execute(
                "CREATE TABLE award (record_id text PRIMARY KEY, achievement text, conferred_on date,"
                " learner_student_number text, learner_name text, learner_birth_date date);"
                "INSERT INTO award VALUES"
                " ('A-2026-0160', 'revit', '2026-06-22', 'SAMPLE-0160', 'Sample Learner Four', '1996-05-06');"
                "GRANT SELECT ON award TO sis_reader"
            )
        finally:
            await connection.close()

    async def own_export(self) -> None:
        """An export with the office's own columns."""
        self.file(
            "awards-export.csv",
            "Record ID,Achievement,Conferral Date,Student Number,Student Name,Birth Date",
            "A-2026-0170,revit,2026-06-23,SAMPLE-0170,Sample Learner Five,1995-07-08",
        )

    async def settle(self) -> None:
        """Everything was answered."""
        await self.ask("node", "status", "--wait", str(WAIT_S))

    async def rule_to_end(self) -> None:
        """A rule of ours, and the event that ends it."""
        self.file(
            "rules.csv",
            "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits",
            "revit-rule,equivalency,revit,2026-01-01,assigned,revit,3 credit-hours",
        )
        await self.ask("node", "import", "rules.csv")
        self.file("ended.json", json.dumps({"effective_on": "2026-12-31", "reason": "Replaced"}))
        await self.settle()

    def signing_key(self) -> tuple[str, str]:
        """The option with the public key that the admission states."""
        [key] = json.loads((self.node / "admission.json").read_bytes())["keys"]
        return "--member-key", key["public_key"]

    # The receiver's part

    @property
    def receiving(self) -> Path:
        """The receiver's configuration."""
        return self.network.sites[RECEIVER].toml

    async def learner_arrives(self) -> None:
        """The receiver's programme, the same person among its learners, and the file that the learner brought."""
        achievements = "id,kind,title,language,credit_bearing\nbsc-computing,programme,Computing,en,yes\n"
        (self.receiver / "programmes.csv").write_text(achievements, encoding="utf-8")
        person = "Y-1,bsc-computing,2026-05-01,SAMPLE-Y1,Sample Learner,2001-02-03"
        (self.receiver / "awards.csv").write_text(f"{HEADER}\n{person}\n", encoding="utf-8")
        for name in ("programmes.csv", "awards.csv"):
            await self.ask("node", "import", name, config=self.receiving, folder=self.receiver)
        shutil.copy(self.office / "learner.release.json", self.receiver)

    async def name_case(self) -> None:
        """The case's id, as the answer to the request names it, for commands that name a case."""
        [request] = [ran for text, ran in self.said.items() if text.startswith("passerelle node transfer request")]
        [self._values["CASE"]] = _UUID.findall(request.out)

    async def transcript(self) -> None:
        """A signed PDF, and the root that the receiver's office trusts."""
        # In a thread: the signing library runs an event loop of its own.
        (self.receiver / "transcript.pdf").write_bytes(await asyncio.to_thread(signed_pdf))
        (self.receiver / "roots").mkdir()
        (self.receiver / "roots" / "root.pem").write_bytes(authority().certificate.public_bytes(Encoding.PEM))
