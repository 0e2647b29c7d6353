"""A boot teaches the next one of the very same kind, and no other; the record does no harm, whatever state it is in."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.catalog.fit import GIB
from ernie_deploy.facts.calibrations import Calibration, CalibrationKey, Card
from ernie_deploy.facts.values import Facts, ModelFacts
from ernie_deploy.plan.calibrate import MIB, Reported, calibration_for, key_of, settings_hash, teach, with_one_more
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve import calibrations
from ernie_deploy.serve.calibrations import CALIBRATIONS_FILE, MOST_CALIBRATIONS
from tests.support import hosts, nvml
from tests.support.plans import MODEL_PATH, a_plan

LEFT = Reported(kv_bytes=8 * GIB, kv_tokens=149_760, total_bytes=46068 * MIB)
NOW = 1_760_000_000.0


def taught(plan: Plan | None = None, facts: Facts | None = None, **said: Any) -> Calibration:
    reported = LEFT._replace(**said)
    found, why = teach(plan or a_plan(), facts or hosts.some_facts(), reported, at=NOW)
    assert found, why
    return found


def why_nothing(plan: Plan | None = None, facts: Facts | None = None, **said: Any) -> str:
    found, why = teach(plan or a_plan(), facts or hosts.some_facts(), LEFT._replace(**said), at=NOW)
    assert found is None
    return why


def knowing(*known: Calibration, **facts: Any) -> Facts:
    return msgspec.structs.replace(hosts.some_facts(**facts), calibrations=known)


# --- what a boot teaches


def test_the_overhead_is_the_share_less_the_cache_less_what_others_used() -> None:
    found = taught()
    # The card of `hosts.some_facts()` has 3 MiB in use.
    assert found.overhead_bytes == int(46068 * MIB * 0.9) - 3 * MIB - 8 * GIB
    assert (found.kv_bytes, found.kv_tokens, found.utilization) == (8 * GIB, 149_760, 0.9)
    assert (found.measured_at, found.boots) == (NOW, 1)


def test_the_overhead_is_the_same_at_another_share_and_beside_other_tenants() -> None:
    busy = hosts.some_facts(gpu=hosts.gpus(nvml.L20.with_(used_mib=3 + 1024)))
    smaller = taught(facts=busy, kv_bytes=7 * GIB)
    assert smaller.overhead_bytes == taught().overhead_bytes
    more = int(46068 * MIB * 0.95) - int(46068 * MIB * 0.9)
    wider = taught(a_plan(gpu_memory_utilization=0.95), kv_bytes=8 * GIB + more)
    assert wider.overhead_bytes == taught().overhead_bytes
    assert wider.key == taught().key


def test_vllm_does_not_count_what_others_use() -> None:
    plan, busy = a_plan(engine="vllm"), hosts.some_facts(gpu=hosts.gpus(nvml.L20.with_(used_mib=2048)))
    assert taught(plan, busy).overhead_bytes == taught(plan).overhead_bytes == int(46068 * MIB * 0.9) - 8 * GIB
    unseen = hosts.some_facts(gpu=hosts.gpus(nvml.L20.with_(used_mib=None)))
    assert taught(plan, unseen).overhead_bytes == taught(plan).overhead_bytes


def test_a_share_that_is_left_to_the_engine_is_the_engines_own() -> None:
    assert taught(a_plan(gpu_memory_utilization=None)).utilization == 0.9
    assert taught(a_plan(engine="vllm", gpu_memory_utilization=None)).utilization == 0.92


def test_of_two_cards_the_fuller_one_was_reported() -> None:
    two = hosts.gpus(nvml.L20.with_(used_mib=3), nvml.L20.with_(used_mib=2051))
    found = taught(a_plan(gpus=(0, 1), tensor_parallel_size=2), hosts.some_facts(gpu=two))
    assert found.overhead_bytes == int(46068 * MIB * 0.9) - 2051 * MIB - 8 * GIB


@pytest.mark.parametrize(
    ("plan", "card", "said", "why"),
    [
        ({}, {"used_mib": None}, {}, "the driver does not tell what others use of the card"),
        ({}, {"is_mig": True}, {}, "a card is split by MIG, and which part of it is used is not known"),
        ({"device": "cpu"}, {}, {}, "it runs without a card"),
        ({"gpus": (0, 1)}, {}, {}, "the chosen cards were not seen"),
        ({"engine_version": None}, {}, {}, "the engine's version is not known"),
        ({}, {}, {"kv_bytes": None}, "the engine has not told what it left for the KV cache"),
        ({}, {}, {"kv_bytes": 41 * GIB}, "what it took, what it left and what others used do not add up"),
        # Something big was still being freed when the cards were looked at.
        ({}, {"used_mib": 20_000}, {"least_bytes": 30 * GIB},
         "what it took, what it left and what others used do not add up"),
        ({}, {}, {"total_bytes": 80 * GIB}, "the engine reports a card of 80.00 GiB, which is none of the chosen ones"),
        ({"engine_args": {"kv-cache-memory-bytes": "64M"}}, {}, {},
         "the size of its KV cache was given, so nothing was measured"),
    ],
)  # fmt: skip
def test_what_is_not_known_teaches_nothing_and_the_reason_is_told(
    plan: dict[str, Any], card: dict[str, Any], said: dict[str, Any], why: str
) -> None:
    facts = hosts.some_facts(gpu=hosts.gpus(nvml.L20.with_(**card)))
    assert why_nothing(a_plan(**plan), facts, **said) == why


def test_a_driver_without_a_version_teaches_nothing() -> None:
    silent = hosts.some_facts(gpu=hosts.gpus(nvml.L20, driver=None))
    assert why_nothing(facts=silent) == "the driver does not tell its version"
    assert calibration_for(a_plan(), silent)[1] == (
        "no earlier boot can be compared with: the driver does not tell its version"
    )


# --- which boot it holds for

OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "card": ({}, {"gpu": hosts.gpus(nvml.A6000)},
             "cards: NVIDIA L20 (46068 MiB), here NVIDIA RTX A6000 (49140 MiB)"),
    "size of the card": ({}, {"gpu": hosts.gpus(nvml.L20.with_(total_mib=45000))},
                         "cards: NVIDIA L20 (46068 MiB), here NVIDIA L20 (45000 MiB)"),
    "second card": ({"gpus": (0, 1)}, {"gpu": hosts.gpus(nvml.L20, nvml.L20)},
                    "cards: NVIDIA L20 (46068 MiB), here NVIDIA L20 (46068 MiB) and NVIDIA L20 (46068 MiB)"),
    "driver": ({}, {"gpu": hosts.gpus(nvml.L20, driver="560.35.03")}, "driver version: 550.54.15, here 560.35.03"),
    "engine": ({"engine": "vllm"}, {}, "engine: fastdeploy, here vllm"),
    "version": ({"engine_version": "2.4.0"}, {}, "engine version: 2.5.0, here 2.4.0"),
    "simulated": ({"engine_version": "2.5.0+simulated"}, {}, "engine version: 2.5.0, here 2.5.0+simulated"),
    "model": ({"model": "other"}, {}, f"model: {MODEL_PATH}, here other"),
    "revision": ({"revision": "main"}, {}, "revision: none, here main"),
    "weights": ({}, {"models": (ModelFacts(MODEL_PATH, 1, "ernie4_5_moe_vl", "bfloat16"),)}, "weights"),
    "tensors": ({}, {"models": (ModelFacts(MODEL_PATH, 58_800_000_000, "ernie4_5_moe_vl", "bfloat16",
                                           fingerprint="f"),)}, "weights"),
    "no weights": ({}, {"models": ()}, "weights"),
    "quantization": ({"quantization": "wint4"}, {}, "settings"),
    "max_model_len": ({"max_model_len": 65536}, {}, "settings"),
    "max_num_seqs": ({"max_num_seqs": 31}, {}, "settings"),
    "max_num_batched_tokens": ({"max_num_batched_tokens": None}, {}, "settings"),
    "tensor_parallel_size": ({"tensor_parallel_size": 2}, {}, "settings"),
    "mm_processor_kwargs": ({"mm_processor_kwargs": {"image_max_pixels": 1}}, {}, "settings"),
    "limit_mm_per_prompt": ({"limit_mm_per_prompt": {"image": 1}}, {}, "settings"),
    "enable_prefix_caching": ({"enable_prefix_caching": True}, {}, "settings"),
    "engine_args": ({"engine_args": {"block_size": 32}}, {}, "settings"),
    "env": ({"env": {"FLAGS_x": "1"}}, {}, "settings"),
}  # fmt: skip


def test_the_same_boot_again_uses_it_and_names_it() -> None:
    known = taught()
    found, words = calibration_for(a_plan(), knowing(known))
    assert found == known
    assert words == (
        "1 earlier boot of this plan on this card: the last one left 8.00 GiB for the KV cache at a share of 0.9"
    )


@pytest.mark.parametrize("change", OTHERS)
def test_a_boot_that_differs_in_one_thing_does_not_use_it_and_says_in_which(change: str) -> None:
    plan, facts, told = OTHERS[change]
    found, words = calibration_for(a_plan(**plan), knowing(taught(), **facts))
    assert found is None
    assert words == f"1 calibration here is of another boot: the nearest differs in {told}"


def test_every_part_of_the_key_is_among_those_tried() -> None:
    told = {words.partition(":")[0].replace(" ", "_") for _, _, words in OTHERS.values()}
    assert told == set(CalibrationKey.__struct_fields__)


def test_of_several_the_nearest_is_named() -> None:
    far = taught(a_plan(engine="vllm", engine_version="0.32.0", quantization="fp8"))
    near = taught(a_plan(engine_version="2.4.0"))
    _, words = calibration_for(a_plan(), knowing(far, near, far))
    assert words == "3 calibrations here are of other boots: the nearest differs in engine version: 2.4.0, here 2.5.0"
    assert calibration_for(a_plan(), hosts.some_facts()) == (None, "no boot of this plan on this card yet")


@pytest.mark.parametrize("change", [{"port": 9000, "metrics_port": 1}, {"name": "b", "state_dir": "/b"},
                                    {"api_key_file": "/k"}, {"reasoning_parser": None}, {"served_model_name": "x"},
                                    {"gpu_memory_utilization": 0.8}, {"ready_when": "text"}])  # fmt: skip
def test_what_does_not_decide_memory_does_not_matter(change: dict[str, Any]) -> None:
    assert key_of(a_plan(**change), hosts.some_facts()) == key_of(a_plan(), hosts.some_facts())


def test_a_simulated_boot_says_so_and_never_serves_the_real_engine() -> None:
    plan = a_plan(engine_version="2.5.0+simulated")
    known = taught(plan)
    assert calibration_for(plan, knowing(known))[1].startswith("1 earlier SIMULATED boot of this plan")
    assert calibration_for(a_plan(), knowing(known))[0] is None


def test_no_secret_is_kept_and_a_new_one_changes_nothing() -> None:
    plan = a_plan(env={"HF_TOKEN": "hf_verysecret", "FLAGS_x": "hidden-in-the-hash"})
    kept = msgspec.json.encode(taught(plan)).decode()
    assert "verysecret" not in kept
    assert "hidden-in-the-hash" not in kept
    assert settings_hash(plan) == settings_hash(a_plan(env={"FLAGS_x": "hidden-in-the-hash"}))
    assert settings_hash(plan) != settings_hash(a_plan())


def test_facts_of_another_host_bring_their_calibrations_along() -> None:
    theirs = knowing(taught())
    assert msgspec.json.decode(msgspec.json.encode(theirs), type=Facts) == theirs


# --- the record

SIZES = st.integers(1, 1 << 44)
KEYS = st.builds(
    CalibrationKey, st.lists(st.builds(Card, st.text(max_size=5), st.integers(0, 1 << 20)), max_size=3).map(tuple),
    *[st.text(max_size=5)] * 4, st.none() | st.text(max_size=5), st.text(max_size=5), st.text(max_size=5),
)  # fmt: skip
SHARES = st.floats(0, 1, exclude_min=True, allow_subnormal=False)
CALIBRATIONS = st.builds(
    Calibration, KEYS, SIZES, SIZES, SHARES, st.floats(0, 1e12), st.none() | st.integers(1, 1 << 40), st.integers(1, 99)
)


@given(st.lists(CALIBRATIONS, max_size=4))
def test_what_is_written_is_read_again(known: list[Calibration]) -> None:
    book = calibrations.Book(1, tuple(known))
    assert msgspec.json.decode(msgspec.json.encode(book), type=calibrations.Book) == book


def test_boots_are_counted_and_the_last_one_holds(tmp_path: Path) -> None:
    calibrations.remember(tmp_path, taught())
    calibrations.remember(tmp_path, taught(a_plan(max_num_seqs=4)))
    calibrations.remember(tmp_path, taught(kv_bytes=9 * GIB))
    other, last = calibrations.read(tmp_path)
    assert (last.boots, last.kv_bytes, other.boots) == (2, 9 * GIB, 1)
    assert (tmp_path / CALIBRATIONS_FILE).stat().st_mode & 0o777 == 0o600


def test_the_oldest_are_dropped() -> None:
    known: tuple[Calibration, ...] = ()
    for number in range(MOST_CALIBRATIONS + 2):
        known = with_one_more(known, taught(a_plan(max_num_seqs=number + 1)), most=MOST_CALIBRATIONS)
    assert len(known) == MOST_CALIBRATIONS
    assert known[-1] == taught(a_plan(max_num_seqs=MOST_CALIBRATIONS + 2))
    assert taught(a_plan(max_num_seqs=2)) not in known


GOOD = msgspec.json.encode(calibrations.Book(1, (taught(),)))


DAMAGED = [
    b"", b"{", b"[]", b"\xff\xfe", b"0" * (1 << 21), b"[" * 100_000, GOOD[:-9], GOOD + b" " * (1 << 20),
    GOOD.replace(b'"version":1', b'"version":2'), GOOD.replace(b'"boots":1', b'"boots":0'),
    GOOD.replace(b'"kv_bytes":', b'"kv_bytes":-'), GOOD.replace(b'"utilization":0.9', b'"utilization":NaN'),
    GOOD.replace(b'"boots":1', b'"boots":1,"more":1'),
]  # fmt: skip


def test_the_good_record_is_good() -> None:
    assert msgspec.json.decode(GOOD, type=calibrations.Book).calibrations == (taught(),)
    assert len({GOOD, *DAMAGED}) == len(DAMAGED) + 1


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_is_no_record_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CALIBRATIONS_FILE).write_bytes(content)
    assert calibrations.read(tmp_path) == ()
    calibrations.remember(tmp_path, taught())
    assert calibrations.read(tmp_path) == (taught(),)


def test_where_nothing_can_be_written_nothing_is_lost(tmp_path: Path) -> None:
    calibrations.remember(tmp_path / "missing", taught())
    assert calibrations.read(tmp_path / "missing") == ()
    (tmp_path / CALIBRATIONS_FILE).mkdir()
    calibrations.remember(tmp_path, taught())
    assert calibrations.read(tmp_path) == ()


def test_a_boot_is_learnt_from_its_logs_and_the_next_plan_knows_it(tmp_path: Path) -> None:
    logs = tmp_path / "ernie" / "logs"
    (logs / "engine").mkdir(parents=True)
    card, left = "\\nDevice Total memory: 44.98828125", "\\nAvailable KV Cache meomory: 8.0"
    (logs / "engine" / "gpu_worker.log").write_text(f"INFO ('After running the profile, …', '{card}', '{left}')\n")
    (logs / "engine.log").write_text("Detected 2340 gpu blocks and 0 cpu blocks in cache (block size: 64).\nready\n")
    learnt = calibrations.learn(tmp_path, a_plan(), hosts.some_facts(), logs)
    assert learnt.calibration
    known = calibrations.read(tmp_path)
    assert known == (learnt.calibration,)
    assert (known[0].kv_bytes, known[0].kv_tokens) == (8 * GIB, 2340 * 64)
    assert calibration_for(a_plan(), knowing(*known))[0] == learnt.calibration
    nothing = calibrations.learn(tmp_path, a_plan(), hosts.some_facts(), tmp_path / "none")
    assert nothing == (None, "the engine has not told what it left for the KV cache")
