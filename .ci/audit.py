"""Ask for known flaws of what is installed, by pip-audit, and say plainly what could not be asked.

    python .ci/audit.py

pip-audit calls a package that it could not look up "skipped" and exits with 0. Here a run that could not look up nearly all of them
says NOT AUDITED, and one that finds a flaw exits with 1. Builds of torch for one device (2.13.0+cpu) are looked up by their release.
"""

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

PROBE = "pip"
OURS = "fastast_hf"
MOST_SKIPPED = 0.1
ACCEPTED: dict[str, str] = {}
"""Flaws that were looked at and do not touch this project: identifier, and why."""


def main() -> int:
    """Look up one package first, then all."""
    installed = {dist.metadata["Name"]: dist.version.partition("+")[0] for dist in distributions()}
    installed.pop(OURS, None)
    answer = ask({PROBE: installed.get(PROBE, "25.0")})
    if answer is None or not any("vulns" in package for package in answer):
        print("NOT AUDITED: no list of known flaws can be reached from here. Run `make audit` where PyPI can be.")
        return 0
    packages = ask(installed)
    if packages is None:
        print("NOT AUDITED: the list of known flaws was reached, and then no more. Run `make audit` again.")
        return 0
    skipped = [package["name"] for package in packages if "vulns" not in package]
    if len(skipped) > MOST_SKIPPED * len(packages):
        print(
            f"NOT AUDITED: of {len(packages)} packages, {len(skipped)} could not be looked up. Run `make audit` again."
        )
        return 0
    flaws = [
        (package["name"], package["version"], flaw)
        for package in packages
        for flaw in package.get("vulns", [])
        if not {flaw["id"], *flaw.get("aliases", [])} & ACCEPTED.keys()
    ]
    print(f"{len(packages) - len(skipped)} of {len(packages)} packages audited, {len(flaws)} known flaws.")
    if skipped:
        print(f"Not audited: {', '.join(skipped)}")
    for name, version, flaw in flaws:
        print(f"{name} {version}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no release yet'}")
    return 1 if flaws else 0


def ask(packages: dict[str, str]) -> list[dict] | None:
    """Give what pip-audit finds of packages by version; None if it found nobody to ask."""
    with TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in sorted(packages.items())))
        command = ["-m", "pip_audit", "--requirement", str(wanted), "--no-deps", "--disable-pip", "--format", "json"]
        done = subprocess.run(
            [sys.executable, *command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
        )
    try:
        return json.loads(done.stdout)["dependencies"]
    except json.JSONDecodeError:
        print(done.stderr.strip().splitlines()[-1:] or "pip-audit said nothing", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
