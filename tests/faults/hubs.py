"""A Hub that fails while a finished run pushes: what it has is whole, and the next start completes it."""

from collections.abc import Iterator
from typing import Any

from tests.faults.outcomes import Outcome
from tests.faults.runs import Runs
from tests.loopback_hub import LoopbackHub

KIND = "Hub that fails mid-upload"

FAULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "the commit is answered with 500": ({"method": "POST", "path": "/commit/", "status": 500}, True),
    "the commit is answered with 403": ({"method": "POST", "path": "/commit/", "status": 403}, True),
    "the connection ends within the commit": (
        {"method": "POST", "path": "/commit/", "drop": "request", "times": 9},
        True,
    ),
    "the connection ends within the weights": (
        {"method": "PUT", "path": "/storage/", "drop": "request", "times": 1},
        False,
    ),
    "the weights are answered with 503": ({"method": "PUT", "path": "/storage/", "status": 503, "times": 1}, False),
}
"""What goes wrong, and whether the process must end by it: a client may try again by itself."""


def fail_pushes(runs: Runs) -> Iterator[Outcome]:
    """Let the Hub fail once in each way, and start the same command again."""
    with LoopbackHub() as hub:
        for index, (name, (fault, must_end)) in enumerate(FAULTS.items()):
            trouble = _push(runs, f"pushed-{index}", hub, fault, must_end=must_end)
            hub.faults.clear()
            hub.objects.clear()  # else a client need not send what it has sent before
            yield Outcome(KIND, name, not trouble, trouble)


def _push(runs: Runs, run: str, hub: LoopbackHub, fault: dict[str, Any], *, must_end: bool) -> str:
    runs.finished(run)
    environment = hub_environment(runs, hub)
    hub.fail(**fault)
    ended = runs.start(run, "--push_to_hub", "--hub_model_id", f"you/{run}", environment=environment)
    if must_end or ended.code != 0:
        said = ended.not_said("and nothing is lost", "Run the same command again to push them")
        if said:
            return said
        if len(hub.repository(f"you/{run}").history()) > 1:
            return "there is a commit, though its push failed"
        hub.faults.clear()
        again = runs.start(run, "--push_to_hub", "--hub_model_id", f"you/{run}", environment=environment)
        if again.trouble:
            return again.trouble
        if "train_runtime" in again.words:
            return "it trained again"
    return runs.what_differs(run) or what_differs_on_hub(hub, f"you/{run}", runs)


def hub_environment(runs: Runs, hub: LoopbackHub) -> dict[str, str]:
    """Give the variables by which a process finds the loopback Hub."""
    environment = hub.environment(runs.folder / "home")
    return {name: environment[name] for name in environment if name.startswith("HF_")} | {"HF_HUB_OFFLINE": "0"}


def what_differs_on_hub(hub: LoopbackHub, name: str, runs: Runs) -> str:
    """Hold the pushed weights to the undisturbed run's, byte for byte; say nothing if they are the same."""
    pushed = hub.repository(name).head().files.get("model.safetensors")
    if pushed is None or pushed.content != (runs.reference / "model.safetensors").read_bytes():
        return "other weights on the Hub"
    return ""
