"""The supervisor with tiny stand-in programs: what starts, dies, comes back, refuses and hangs."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cli import supervisor
from cli.outcomes import BreakdownError, SetupError
from cli.supervisor import Program, Supervisor

SERVE = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("serving", flush=True)
signal.sigwait([signal.SIGTERM])
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
DIE = "import os, signal; print('about to die', flush=True); os.kill(os.getpid(), signal.SIGKILL)"


def program(name: str, code: str, is_ready: Callable[[], bool] = lambda: True) -> Program:
    return Program(name, (sys.executable, "-I", "-S", "-c", code), os.environ, is_ready)


@pytest.fixture
def lines() -> list[str]:
    """What the user is told."""
    return []


@pytest.fixture
def supervise(tmp_path: Path, lines: list[str]) -> Callable[..., Supervisor]:
    return lambda *programs, on_start=lambda: None: Supervisor(
        [programs], tmp_path, say=lines.append, on_start=on_start
    )


async def stay() -> int:
    return await asyncio.Future()


async def nothing() -> int:
    return 0


async def until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.01)


async def end(running: asyncio.Task[int], supervised: Supervisor) -> None:
    running.cancel()
    await asyncio.wait([running])
    await supervised.stop()


async def test_the_body_runs_when_all_are_ready_and_its_answer_is_the_answer(supervise, tmp_path):
    log = tmp_path / "one.log"
    supervised = supervise(program("one", SERVE, lambda: "serving" in log.read_text()), program("two", SERVE))

    async def body() -> int:
        assert "serving" in log.read_text()
        assert all(psutil.pid_exists(pid) for pid in supervised.pids.values())
        return 7

    assert await supervised.run(body) == 7
    await supervised.stop()
    assert not any(psutil.pid_exists(pid) for pid in supervised.pids.values())


async def test_one_that_was_killed_comes_back_as_another_process(supervise, lines):
    starts: list[int] = []
    supervised = supervise(program("one", SERVE), on_start=lambda: starts.append(supervised.pids["one"]))
    running = asyncio.create_task(supervised.run(stay))
    await until(lambda: len(lines) == 1)
    os.kill(starts[0], signal.SIGKILL)
    await until(lambda: len(lines) == 3)
    assert psutil.pid_exists(starts[1])
    assert lines[1] == "one has ended (SIGKILL); starting it again, 1 of 5 times"
    assert re.fullmatch(r"  one is ready after \d\.\d s", lines[2])
    await end(running, supervised)


async def test_one_that_is_stuck_is_ended_and_comes_back(supervise, lines, monkeypatch):
    monkeypatch.setattr(supervisor, "STUCK_POLL_SECONDS", 0.01)
    starts: list[int] = []
    stuck = replace(program("one", SERVE), is_stuck=lambda: len(starts) == 1)
    supervised = supervise(stuck, on_start=lambda: starts.append(supervised.pids["one"]))
    running = asyncio.create_task(supervised.run(stay))
    await until(lambda: len(lines) == 4)
    assert lines[1] == "one is stuck; ending it"
    assert lines[2].endswith("starting it again, 1 of 5 times")
    assert not psutil.pid_exists(starts[0])
    assert psutil.pid_exists(starts[1])
    await end(running, supervised)


async def test_six_deaths_within_a_minute_end_everything_with_the_reason(supervise, lines, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.001)
    supervised = supervise(program("fine", SERVE), program("one", DIE, lambda: False))
    with pytest.raises(BreakdownError, match="one has ended 6 times within 60 s, the last time with SIGKILL") as broken:
        await supervised.run(stay)
    assert "about to die" in str(broken.value)
    assert [line for line in lines if "has ended" in line][-1].endswith("5 of 5 times")
    await supervised.stop()
    assert not psutil.pid_exists(supervised.pids["fine"])


async def test_deaths_of_more_than_a_minute_ago_are_forgiven(supervise, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(supervisor, "RESTARTS_WINDOW_SECONDS", 0.0)
    starts: list[None] = []
    supervised = supervise(program("one", DIE, lambda: False), on_start=lambda: starts.append(None))
    running = asyncio.create_task(supervised.run(stay))
    await until(lambda: len(starts) > 10)
    await end(running, supervised)


async def test_one_that_says_why_it_does_not_start_is_not_started_again(supervise, lines, tmp_path):
    supervised = supervise(program("one", "raise SystemExit('The database is too new.')", lambda: False))
    with pytest.raises(SetupError) as refused:
        await supervised.run(stay)
    assert str(refused.value) == f"one does not start. The end of {tmp_path}/one.log:\n    The database is too new."
    assert lines == []


@pytest.mark.parametrize(
    ("code", "shown"),
    [("1 / 0", "ZeroDivisionError"), ("", "(nothing)"), ("raise SystemExit(3)", "(nothing)")],
    ids=["a trace", "no word", "no word and another exit code"],
)
async def test_one_that_breaks_at_its_start_is_told_from_one_that_refuses(supervise, code, shown):
    supervised = supervise(program("one", code, lambda: False))
    with pytest.raises(BreakdownError, match=r"(?s)^one does not start\.") as broken:
        await supervised.run(stay)
    assert shown in str(broken.value)


async def test_a_long_trace_is_still_a_trace(supervise):
    deep = "def fall(depth): return fall(depth - 1) if depth else undefined\n" * 2 + "f = fall\nf(200)"
    code = "import traceback\nimport sys\nsys.tracebacklimit = 200\n" + deep
    with pytest.raises(BreakdownError, match="NameError"):
        await supervise(program("one", code, lambda: False)).run(stay)


async def test_a_program_that_cannot_be_run_is_shown(supervise):
    supervised = supervise(Program("one", ("/nowhere/one",), os.environ, lambda: False))
    with pytest.raises(BreakdownError, match=r"(?s)one does not start.*No such file or directory"):
        await supervised.run(stay)


async def test_who_is_not_ready_in_time_is_named_with_its_log(supervise, monkeypatch):
    monkeypatch.setattr(supervisor, "READY_SECONDS", 1.0)
    supervised = supervise(program("fine", SERVE), program("late", f"print('still thinking')\n{SERVE}", lambda: False))
    with pytest.raises(BreakdownError, match=r"(?s)Not ready after 1 s: late\..*still thinking"):
        await supervised.run(stay)
    await supervised.stop()


async def test_a_check_that_objects_ends_everything(supervise):
    def object_to_it() -> bool:
        raise SetupError("It does not sync.")

    supervised = supervise(program("one", SERVE, object_to_it))
    with pytest.raises(SetupError, match="It does not sync"):
        await supervised.run(stay)
    await supervised.stop()


async def test_tiers_stop_one_after_the_other_the_last_first(tmp_path, lines):
    ended = tmp_path / "ended"

    def telling(name: str) -> Program:
        code = f"{SERVE}\nwith open({str(ended)!r}, 'a') as file: print({name!r}, file=file)"
        return program(name, code, lambda: "serving" in (tmp_path / f"{name}.log").read_text())

    tiers = [[telling("nats")], [telling("booking"), telling("pricing")], [telling("gateway")]]
    supervised = Supervisor(tiers, tmp_path, say=lines.append)
    await supervised.run(nothing)
    await supervised.stop()
    order = ended.read_text().split()
    assert (order[0], set(order[1:3]), order[3]) == ("gateway", {"booking", "pricing"}, "nats")


async def deaf(supervise: Callable[..., Supervisor], tmp_path: Path) -> Supervisor:
    """Start one that does not listen to SIGTERM."""
    supervised = supervise(program("one", DEAF, lambda: "deaf" in (tmp_path / "one.log").read_text()))
    await supervised.run(nothing)
    return supervised


async def test_one_that_does_not_stop_is_killed(supervise, tmp_path, lines, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.2)
    supervised = await deaf(supervise, tmp_path)
    await supervised.stop()
    assert "was killed" in lines[-1]
    assert not psutil.pid_exists(supervised.pids["one"])


async def test_a_stop_of_many_that_hang_is_soon_over(tmp_path, lines, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.4)
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.5)
    names = ("nats", "booking", "gateway")
    logs = {name: tmp_path / f"{name}.log" for name in names}
    tiers = [[program(name, DEAF, lambda log=log: "deaf" in log.read_text())] for name, log in logs.items()]
    supervised = Supervisor(tiers, tmp_path, say=lines.append)
    await supervised.run(nothing)
    async with asyncio.timeout(1):
        await supervised.stop()
    assert [line for line in lines if "was killed" in line][-1].startswith("  nats")


async def test_a_stop_can_be_hurried(supervise, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 60)
    supervised = await deaf(supervise, tmp_path)
    stopping = asyncio.create_task(supervised.stop())
    await until(lambda: supervised.is_stopping)
    supervised.kill()
    await asyncio.wait_for(stopping, 5)
    assert not psutil.pid_exists(supervised.pids["one"])


async def test_a_process_has_a_group_of_its_own_and_nothing_to_read(supervise, tmp_path):
    code = f"import os, sys; print(os.getpgid(0) == os.getpid(), sys.stdin.read() == '')\n{SERVE}"
    log = tmp_path / "one.log"
    supervised = supervise(program("one", code, lambda: log.read_text() == "True True\nserving\n"))
    assert await supervised.run(nothing) == 0
    await supervised.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of one that was killed")
async def test_children_do_not_outlive_a_supervisor_that_was_killed(tmp_path):
    pids = tmp_path / "pids"
    code = f"""
import asyncio, os, pathlib, sys
from cli.supervisor import Program, Supervisor
async def stay():
    pathlib.Path({str(pids)!r}).write_text(str(supervised.pids["one"]))
    await asyncio.Future()
async def main():
    global supervised
    one = Program("one", (sys.executable, "-c", {DEAF!r}), os.environ, lambda: True)
    supervised = Supervisor([[one]], pathlib.Path({str(tmp_path)!r}), say=print)
    await supervised.run(stay)
asyncio.run(main())
"""
    environment = os.environ | {"PYTHONPATH": str(Path(supervisor.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment, stdout=-3)
    await until(lambda: pids.exists() and pids.read_text() != "")
    orphan = psutil.Process(int(pids.read_text()))
    process.kill()
    await process.wait()
    await until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_the_excerpt_of_a_log_begins_where_the_present_process_began(tmp_path):
    log = tmp_path / "one.log"
    log.write_text("of the first\n")
    child = supervisor.Child(program("one", SERVE), log, say=print, on_start=lambda: None)
    child._log_begins_at = log.stat().st_size
    with log.open("a") as file:
        file.write("of the second\n")
    assert child.log_excerpt() == f"The end of {log}:\n    of the second"
    with log.open("a") as file:
        file.writelines(f"line {number}\n" for number in range(40))
    assert [line.strip() for line in child.log_excerpt().splitlines()[1:]] == [f"line {n}" for n in range(28, 40)]
