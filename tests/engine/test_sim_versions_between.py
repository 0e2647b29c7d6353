"""The versions of the simulated FastDeploy that the default run leaves out."""

from pathlib import Path

from ernie_deploy.catalog.flags import flags_of
from tests.integration.test_sim_versions import VERSIONS
from tests.support.whole_path import problems


def test_the_whole_path_works_at_every_other_version_too(tmp_path: Path) -> None:
    between = [version for version in flags_of("fastdeploy").versions if version not in VERSIONS]
    assert len(between) >= 3
    assert problems(tmp_path, between) == []
