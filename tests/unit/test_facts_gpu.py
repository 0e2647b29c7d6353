import pytest

from ernie_deploy.facts import gpu


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (4, "permissions of /dev/nvidia"),
        (9, "not loaded"),
        (12, "libnvidia-ml.so.1"),
        (15, "fallen off the bus"),
        (18, "restart the machine"),
        (999, "unknown error"),
    ],
)
def test_every_common_nvml_error_becomes_a_sentence_about_what_to_do(code: int, says: str) -> None:
    assert says in gpu.sentence(code)


def test_an_error_that_nobody_has_explained_still_shows_its_number() -> None:
    assert gpu.sentence(23) == "NVML answers with error 23"


def test_numbers_become_what_people_call_them() -> None:
    assert gpu.cuda_version(12040) == "12.4"
    assert gpu.cuda_version(13000) == "13.0"
    assert gpu.capability((8, 9)) == "8.9"
    assert gpu.mib(46068 * 1024 * 1024 + 5) == 46068
