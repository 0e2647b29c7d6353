"""up → ready → smoke → down against the simulated FastDeploy, at the versions where something begins or ends.

Those between them are taken by tests/engine, which has the time.
"""

from pathlib import Path

from ernie_deploy.catalog.flags import flags_of
from tests.support.whole_path import problems

VERSIONS = ("2.3.0", "2.3.4", "2.4.0", "2.5.0", "develop")


def test_the_whole_path_works_at_the_first_and_the_last_of_each_series(tmp_path: Path) -> None:
    assert set(VERSIONS) <= set(flags_of("fastdeploy").versions)
    assert problems(tmp_path, VERSIONS) == []
