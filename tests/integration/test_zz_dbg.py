import asyncio, sys
from tests.integration import test_ledger_out_topics as t
from tests.integration import ledger_out as lo
config = t.config
async def test_dbg(config, kafka):
    orig = lo.until_shown
    async def us(ledger, size, timeout_s=30):
        try:
            await orig(ledger, size, timeout_s=min(timeout_s, 60))
        except AssertionError as e:
            print("HEAD", await ledger.size(), await ledger.look.fetch("select * from ledger.published"), await ledger.look.fetch("select size, shown from ledger.checkpoint"))
            for task in asyncio.all_tasks():
                print("TASK", task.get_name(), task.get_coro())
                task.print_stack(limit=3, file=sys.stdout)
            raise AssertionError("stalled") from None
    t.until_shown = us
    await t.test_a_killed_broker_costs_repeats_and_no_entry(config, kafka)
