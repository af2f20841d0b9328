import asyncio, sys, traceback
from tests.integration import test_ledger_out_topics as t
from tests.integration import ledger_out as lo
config = t.config
def chain(coro):
    out=[]
    while coro is not None:
        f = getattr(coro,'cr_frame',None) or getattr(coro,'gi_frame',None) or getattr(coro,'ag_frame',None)
        if f is None:
            out.append(repr(coro)[:80]); break
        out.append(f"{f.f_code.co_filename.split('/')[-1]}:{f.f_lineno}:{f.f_code.co_name}")
        coro = getattr(coro,'cr_await',None) or getattr(coro,'gi_yieldfrom',None) or getattr(coro,'ag_await',None)
    return " > ".join(out)
async def test_dbg(config, kafka):
    orig = lo.until_shown
    async def us(ledger, size, timeout_s=30):
        try:
            await orig(ledger, size, timeout_s=min(timeout_s, 45))
        except AssertionError as e:
            print("HEAD", await ledger.size(), await ledger.look.fetch("select * from ledger.published"), await ledger.look.fetch("select size, shown from ledger.checkpoint"))
            for task in asyncio.all_tasks():
                print("TASK", task.get_name(), chain(task.get_coro()))
            raise AssertionError("stalled") from None
    t.until_shown = us
    await t.test_a_killed_broker_costs_repeats_and_no_entry(config, kafka)
