"""SIGKILLs: processes that train, evaluate, save, measure, push or classify end at random moments, again and again."""

from collections.abc import Iterator

from tests.faults.archives import CLASSIFY, Archives
from tests.faults.hubs import hub_environment, what_differs_on_hub
from tests.faults.outcomes import Outcome
from tests.faults.processes import Ended
from tests.faults.runs import DISTILL, Runs
from tests.loopback_hub import LoopbackHub

RUN_PHASES = (
    *("computing features", "training", "saving a checkpoint", "evaluating", "saving a model"),
    *("training", "saving a checkpoint", "evaluating", "saving a model", "measuring", "publishing", "pushing"),
)
"""Where the process of one run is killed, one start after the other: while the teacher learns, and while the student does."""

ARCHIVE_PHASES = ("classifying an archive", "writing a shard", "writing a shard")


def kill_runs(runs: Runs, number: int = 2) -> Iterator[Outcome]:
    """Kill some runs in each phase, let the last start come to its end, and hold it to the undisturbed run."""
    assert runs.reference.is_dir()  # it shows how long phases take
    with LoopbackHub() as hub:
        for index in range(number):
            yield from _kill_run(runs, f"killed-{index}", hub)


def _kill_run(runs: Runs, run: str, hub: LoopbackHub) -> Iterator[Outcome]:
    environment = hub_environment(runs, hub)
    arguments = runs.arguments(run, "--push_to_hub", "--hub_model_id", f"you/{run}", cache=f"cache-of-{run}")
    ends: list[Ended] = []
    for phase in RUN_PHASES:
        occurrence = runs.rng.randint(1, 3) if phase == "training" else 1
        ends.append(runs.starter.kill(DISTILL, arguments, phase, occurrence, runs.rng, environment))
    last = runs.starter.run(DISTILL, arguments, environment)
    trouble = last.trouble or runs.what_differs(run) or what_differs_on_hub(hub, f"you/{run}", runs)
    yield from _outcomes("SIGKILL of a run", ends, trouble)


def kill_archives(archives: Archives, number: int = 2) -> Iterator[Outcome]:
    """Kill some archives' processes, let the last start come to its end, and hold it to the undisturbed one."""
    assert archives.reference.is_dir()
    starter, rng = archives.runs.starter, archives.runs.rng
    for index in range(number):
        output = f"killed-labels-{index}"
        arguments = archives.arguments(output)
        ends = [
            starter.kill(CLASSIFY, arguments, phase, rng.randint(1, 3) if "shard" in phase else 1, rng)
            for phase in ARCHIVE_PHASES
        ]
        trouble = archives.start(output).trouble or archives.what_differs(output)
        yield from _outcomes("SIGKILL of an archive", ends, trouble)


def _outcomes(kind: str, ends: list[Ended], trouble: str) -> Iterator[Outcome]:
    """Tell of each kill of one run; a start that came to its end by itself was none, and must have done so well."""
    for ended in ends:
        if ended.was_killed:
            yield Outcome(kind, f"killed while {ended.phase}", not trouble, trouble)
        elif ended.code != 0:
            yield Outcome(kind, "a start that was to be killed", False, ended.trouble)
