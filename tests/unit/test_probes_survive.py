"""A probe judges whatever comes: an exception of its own would lose the verdicts of all others, and every report."""

import random
from typing import get_args

import pytest

from ernie_deploy import report
from ernie_deploy.client import Client, Endpoint
from ernie_deploy.smoke.detect import EngineName, detect, is_simulated, longest_request
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import run
from ernie_deploy.smoke.target import Profile, Target
from tests.support.nonsense import BASE, NonsenseWire

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
PROFILES: tuple[Profile, ...] = get_args(Profile)
COMBINED: tuple[tuple[Profile, EngineName], ...] = (
    ("contract", "fastdeploy"),
    ("contract", "unknown"),
    ("rehearsal", "vllm"),
    ("rehearsal", "transformers"),
    ("model", "fastdeploy"),
    ("model", "vllm"),
)
WRITERS = (report.as_html, report.as_json, report.as_junit, report.as_ctrf, report.as_markdown)


def target(seed: int, profile: Profile, engine: EngineName) -> Target:
    wire = NonsenseWire(random.Random(seed))
    client = Client(Endpoint(BASE, "any", "sk-nonsense"), wire=wire)
    return Target(
        client, engine, profile, seed, max_model_len=4096, max_num_seqs=2, metrics=client, is_simulated=seed % 2 == 0
    )


@pytest.mark.parametrize(("profile", "engine"), COMBINED)
def test_every_probe_outlives_nonsense_and_every_report_can_be_written(profile: Profile, engine: EngineName) -> None:
    seed = 100 * PROFILES.index(profile) + ENGINES.index(engine)
    cases = tuple(run(PROBES, target(seed, profile, engine)))
    assert [case.id for case in cases] == [probe.id for probe in PROBES]
    found = report.Report("smoke", "0", BASE, engine, "any", cases, "2026-11-28T00:00:00Z", seed=seed, profile=profile)
    for write in WRITERS:
        assert "sk-nonsense" not in write(found)


def test_whoever_looks_at_the_service_beforehand_outlives_it_too() -> None:
    for seed in range(200):
        client = Client(Endpoint(BASE, "any"), wire=NonsenseWire(random.Random(seed)))
        assert detect(client) in ENGINES
        assert is_simulated(client) is False
        assert longest_request(client) in (None, 4096) or seed
