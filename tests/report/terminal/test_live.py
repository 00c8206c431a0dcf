"""A run's progress as it is shown while it goes."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from rich.console import Console

from factory.engine.calls.usage import ModelUsage
from factory.engine.progress import RunProgress, StepProgress
from factory.report.plain import clock
from factory.report.terminal import live
from factory.report.terminal.live import (
    LiveProgress,
    ProgressLike,
    Rates,
    Sample,
    StepNow,
    plain_line,
    speed_line,
    take_sample,
)


def make_progress() -> RunProgress:
    progress = RunProgress()
    progress.steps = [
        StepProgress("01-read", 120, 120, 120, 120),
        StepProgress("02-evolve", 50, 34, total=120),
    ]
    progress.steps[1].dropped["unchanged"] = 3
    progress.models["teacher"] = ModelUsage(
        calls=40, prompt_tokens=1000, completion_tokens=500, price_input=1.0
    )
    return progress


def sample(at: float, done: int, *, total: int | None = 120, calls: int = 0, tokens: int = 0) -> Sample:
    return Sample(at, calls, 0, tokens, None, (StepNow("02-evolve", done + 16, done, done, 16, total, 3, 0),))


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread, at most ten seconds."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never happened")


def test_the_engine_counts_what_is_shown() -> None:
    progress: ProgressLike = make_progress()
    now = take_sample(progress)
    assert (now.calls, now.tokens, now.cost) == (40, 1500, 0.001)
    assert now.steps[1] == StepNow("02-evolve", 50, 34, 0, 16, 120, 3, 0)


def test_rates_are_those_of_the_window_alone() -> None:
    rates = Rates(window=10)
    for at in range(31):
        rates.add(sample(float(at), 0, calls=at if at < 20 else 20 + (at - 20) * 5, tokens=at * 70))
    assert rates.requests == pytest.approx(5.0)
    assert rates.tokens == pytest.approx(70.0)


def test_time_left_is_that_of_the_slowest_step_whose_end_is_known() -> None:
    rates = Rates()
    rates.add(sample(0, 20))
    rates.add(sample(4, 40))
    assert rates.seconds_left == pytest.approx(16.0)
    unknown = Rates()
    unknown.add(sample(0, 20, total=None))
    unknown.add(sample(4, 40, total=None))
    assert unknown.seconds_left is None


def test_what_is_replayed_counts_nothing_for_the_time_left() -> None:
    rates = Rates()
    rates.add(sample(0, 20))
    rates.add(sample(4, 60)._replace(replayed=40))
    assert rates.seconds_left is None
    rates.add(sample(8, 100, calls=20)._replace(replayed=60))
    assert rates.seconds_left == pytest.approx(20 / (80 / 8 * 20 / 80))


def test_a_step_that_stands_still_promises_no_end() -> None:
    rates = Rates()
    rates.add(sample(0, 40))
    rates.add(sample(4, 40))
    assert rates.seconds_left is None


def test_a_line_tells_the_steps_at_work_and_the_speed() -> None:
    rates = Rates()
    rates.add(sample(0, 14))
    now = sample(10, 34, calls=123, tokens=8400)
    rates.add(now)
    assert plain_line(None, now, rates) == (
        "02-evolve 34/120 in flight 16 dropped 3 | 12.3 req/s 840 tok/s | 0:43 left"
    )


def test_while_texts_are_embedded_alone_their_rate_is_told_and_no_tokens_are() -> None:
    rates = Rates()
    rates.add(sample(0, 34, calls=0, tokens=0))
    now = sample(10, 34, calls=5, tokens=0)._replace(embedded=320, to_embed=9000)
    rates.add(now)
    assert speed_line(now, rates) == "320/9,000 texts embedded 32.0 texts/s | 0.5 req/s | 4:31 left"
    later = Rates()
    later.add(sample(0, 34, calls=5, tokens=8400)._replace(embedded=320, to_embed=9000))
    now = sample(10, 34, calls=6, tokens=8400)._replace(embedded=640, to_embed=9000)
    later.add(now)
    assert "tok/s" not in speed_line(now, later), "replies came before"
    now = sample(12, 34, calls=7, tokens=9600)._replace(embedded=0, to_embed=0)
    later.add(now)
    assert speed_line(now, later) == "0.5 req/s 600 tok/s"


def test_a_step_that_rests_is_left_out_of_the_next_line() -> None:
    now = take_sample(make_progress())
    rates = Rates()
    rates.add(now)
    assert "01-read" in plain_line(None, now, rates)
    assert "01-read" not in plain_line(now, now, rates)


def test_money_is_told_only_where_prices_are_given() -> None:
    progress = make_progress()
    rates = Rates()
    rates.add(take_sample(progress))
    assert "cost 0.0010" in speed_line(take_sample(progress), rates)
    progress.models["teacher"].price_input = None
    assert "cost" not in speed_line(take_sample(progress), rates)


@pytest.mark.slow
def test_a_pipe_gets_whole_lines_only_when_something_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0.005)
    monkeypatch.setattr(live, "LINE_SECONDS", 0.02)
    progress, file = make_progress(), io.StringIO()
    with LiveProgress(progress, Console(file=file, width=40)):
        until(lambda: file.getvalue().count("\n") == 1)
        threading.Event().wait(0.1)
        assert file.getvalue().count("\n") == 1
        progress.steps[1].done += 1
        until(lambda: file.getvalue().count("\n") == 2)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("01-read 120 | 02-evolve 34/120 in flight 16 dropped 3 | ")
    assert lines[1].startswith("02-evolve 35/120 in flight 15 dropped 3")
    assert file.getvalue().isascii()
    assert "\x1b" not in file.getvalue()


def test_each_line_of_a_log_begins_with_the_time_and_its_distance_from_utc() -> None:
    progress, file = make_progress(), io.StringIO()
    progress.warn("look here")
    with LiveProgress(progress, Console(file=file, width=200), stamped=True):
        pass
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        time, _, told = line.partition(" ")
        assert datetime.fromisoformat(time).utcoffset() is not None
        assert told.startswith(("warning: look here", "01-read 120 | "))


def test_a_short_run_still_gets_its_last_line() -> None:
    file = io.StringIO()
    with LiveProgress(make_progress(), Console(file=file)):
        pass
    assert "02-evolve 34/120" in file.getvalue()


@pytest.mark.slow
def test_warnings_are_told_once_each_and_a_flood_is_dammed() -> None:
    progress, file = make_progress(), io.StringIO()
    progress.warn("bad \x1b[2J [red]row[/red]")
    with LiveProgress(progress, Console(file=file, width=40)):
        until(lambda: "warning: bad" in file.getvalue())
        for at in range(54):
            progress.warn(f"row {at}")
    lines = [line for line in file.getvalue().splitlines() if line.startswith("warning: ")]
    assert lines[0] == "warning: bad [2J [red]row[/red]"
    assert len(lines) == 21
    assert lines[-1] == "warning: 35 more warnings; they are in manifest.json"


def test_what_stands_last_in_a_long_result_is_shown_too() -> None:
    from factory.steps.judging.verdicts.pairs import summarise

    verdicts = np.array([1.0, 0.5, 0.0, 1.0] * 25)
    long = summarise(verdicts, verdicts[::-1], np.linspace(80, 1900, 100)).sentence()
    progress, file = make_progress(), io.StringIO()
    progress.warn(long)
    progress.tell("of the notes " + long)
    with LiveProgress(progress, Console(file=file, width=40)):
        pass
    assert file.getvalue().count("do not rely on it\n") == 2


def test_a_terminal_gets_a_table_and_its_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0.005)
    progress, file = make_progress(), io.StringIO()
    progress.warn("look here")
    with LiveProgress(progress, Console(file=file, width=80, force_terminal=True)):
        until(lambda: "34/120" in file.getvalue() and "look here" in file.getvalue())
    text = file.getvalue()
    assert "in flight" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_fault_in_showing_never_reaches_the_run() -> None:
    class Broken(RunProgress):
        @property
        def calls(self) -> int:
            raise RuntimeError("dictionary changed size during iteration")

    file = io.StringIO()
    file.close()
    for terminal in (True, False):
        with LiveProgress(Broken(), Console(file=io.StringIO(), force_terminal=terminal)):
            pass
        with LiveProgress(make_progress(), Console(file=file, force_terminal=terminal)):
            pass


def test_the_runs_own_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), LiveProgress(make_progress(), Console(file=io.StringIO())):
        raise ZeroDivisionError


@pytest.mark.parametrize("brief", [False, True])
def test_what_a_stopped_run_waits_for_is_said_once(brief: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.report.terminal.live.REFRESH_SECONDS", 0.001)
    progress, file = make_progress(), io.StringIO()
    with LiveProgress(progress, Console(file=file, width=200), brief=brief):
        progress.stopping = "stopping; replies in flight are waited for first: 3"
        until(lambda: progress.stopping in file.getvalue())
    assert file.getvalue().count("stopping; replies in flight are waited for first: 3") == 1


def test_where_there_is_no_terminal_a_step_at_work_is_never_silent_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0.002)
    monkeypatch.setattr(live, "LINE_SECONDS", 0.005)
    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.02)
    progress, file = RunProgress(), io.StringIO()
    progress.steps = [StepProgress("01-dedup_semantic", 9000, total=9000)]
    progress.models["e5"] = ModelUsage(to_embed=9000, embedded=640)
    with LiveProgress(progress, Console(file=file), brief=True):
        until(lambda: file.getvalue().count("\n") >= 3)
        progress.models["e5"].embedded = 4000
        until(lambda: "4,000/9,000 texts embedded" in file.getvalue())
    first, second, *_ = file.getvalue().splitlines()
    assert first == "01-dedup_semantic 0/9,000 in flight 9,000 | 640/9,000 texts embedded"
    assert second.startswith(f"{first} | ")
    assert second.endswith(" passed")


def test_texts_embedded_outside_of_a_step_are_shown_too_and_their_end_is_foreseen() -> None:
    rates = Rates()
    for at, done in ((0.0, 100), (4.0, 300)):
        rates.add(Sample(at, 0, 0, 0, None, (), done, 700))
    assert rates.seconds_left == pytest.approx(8.0)
    line = plain_line(None, Sample(4.0, 0, 0, 0, None, (), 300, 700), rates)
    assert line == "300/700 texts embedded 50.0 texts/s | 0:08 left"
    assert line.endswith(f"{clock(8)} left")


@pytest.mark.parametrize("terminal", [False, True])
def test_what_takes_long_is_told_at_once_and_once(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0.001)
    progress, file = make_progress(), io.StringIO()
    with LiveProgress(progress, Console(file=file, width=200, force_terminal=terminal), brief=True):
        progress.tell("compiling")
        progress.tell("compiling")
        until(lambda: "compiling" in file.getvalue())
    assert file.getvalue().count("compiling") == 1


def test_a_step_that_makes_records_of_nothing_is_at_work_until_it_has_them() -> None:
    def at(done: int) -> Sample:
        return Sample(1.0, 0, 0, 0, None, (StepNow("01-explore", 0, done, 0, 0, 9, 0, 0, True),))

    rates = Rates()
    rates.add(at(3))
    assert plain_line(at(3), at(3), rates) == "01-explore 3/9"
    assert plain_line(at(9), at(9), rates) == ""
