"""What is installed from a wheel is what stands in the checkout: code, catalog, locks, and the rehearsal model."""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    # Built from a copy: setuptools leaves a build directory beside what it builds.
    copy = tmp_path / "copy"
    copied = subprocess.run(
        ("git", "ls-files", "-z", "ernie_deploy", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
        cwd=REPOSITORY, capture_output=True, check=True,
    )  # fmt: skip
    names = [name for name in copied.stdout.decode().split("\0") if name]
    for name in names:
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / name).read_bytes())
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(copy))
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    missing = {name for name in names if name.startswith("ernie_deploy/")} - packed
    assert missing == set()
    assert wheel.stat().st_size < 8 << 20
