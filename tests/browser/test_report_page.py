"""The page of a report in a real browser: it is not blank, fits a phone, has a night side, and runs nothing foreign.

Its own stage (`scripts/test --browser`), because it needs a Chromium on the PATH. Without one it fails.
"""

import io
import json
import random
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ernie_deploy.client.avi import avi
from ernie_deploy.rehearsal import scenes
from ernie_deploy.report import VERDICTS, Box, Case, Exchange, Picture, Report, Verdict, as_html

HOSTILE = "</details></pre><script>document.title = 'hacked'</script><img src=x onerror=\"document.title = 'hacked'\"> "
VIDEO = avi([bytes((200, 0, 0)) * 64 * 64] * 16, 64, 64, fps=2)
BADGES = {"fail": (0xC4, 0x20, 0x2B), "unsupported": (0x7A, 0x3F, 0xD0), "skip": (0x66, 0x70, 0x7B),
          "pass": (0x18, 0x7A, 0x35)}  # fmt: skip
EXPECTED, ANSWERED = (0x12, 0xA1, 0x50), (0xF0, 0x80, 0x00)
LIGHT, DARK = (0xF6, 0xF7, 0xF9), (0x0F, 0x13, 0x18)

PHONE = 375


def case(verdict: Verdict, number: int) -> Case:
    drawn = scenes.square_in_quadrant("blue", "top left", random.Random(number)).png()
    answer = {
        "reasoning": "The square is at the top left. " * 30,
        "content": HOSTILE + "https://host.example/" + "unbroken" * 60,
        "tool_calls": [{"name": "image_zoom_in_tool", "arguments": "x" * 300}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 21, "image_tokens": 64},
        "finish_reason": "stop",
        "raw": "{" + "y" * 2000,
    }
    request = {"messages": [{"role": "user", "content": ["picture 0", "Where is the blue square? " * 20]}]}
    return Case(
        f"{verdict}-{number}-of-a-rather-long-name",
        "a named thing is found where it is",
        verdict,
        f"expected (96, 107, 402, 415), got {HOSTILE}{'z' * 200}",
        hint="look at the engine's own log" if verdict == "fail" else "",
        reference="FastDeploy 2.5 answers so; measured" if verdict == "unsupported" else "",
        seconds=1.25,
        evidence={"body": HOSTILE},
        exchanges=(Exchange("POST", "/v1/chat/completions", request, 200, answer, 0.8, 0.2, key="other"),) * 2,
        pictures=(Picture("image/png", drawn), Picture("video/x-msvideo", b"RIFF"), Picture("video/x-msvideo", VIDEO)),
        boxes=(Box(0, 96, 107, 402, 415, "blue square", "expected"), Box(0, 510, 480, 900, 870, "it", "answered")),
    )


CASES = tuple(case(verdict, number) for number, verdict in enumerate(VERDICTS))
PAGE = as_html(Report("ernie-deploy smoke", "0.1.0", "http://127.0.0.1:8180", "fastdeploy (simulated)", "ernie" * 20,
                      CASES, "2026-01-02T03:04:05Z", 7, "rehearsal", "full", is_simulated=True))  # fmt: skip

MEASURE = """
<script>
onload = () => {
  const inner = document.querySelector('iframe').contentDocument;
  for (const one of inner.querySelectorAll('details')) one.open = true;
  const root = inner.documentElement;
  const right = one => one.getBoundingClientRect().right;
  const wide = [...inner.querySelectorAll('main *')].filter(one => right(one) > root.clientWidth);
  const shown = () => [...inner.querySelectorAll('.case')].filter(one => one.offsetHeight > 0).map(one => one.id);
  const picture = inner.querySelector('.frame img').getBoundingClientRect();
  const box = inner.querySelector('rect.expected').getBoundingClientRect();
  const before = shown().length;
  inner.querySelector('#show-skip').click();
  const filtered = shown();
  const folded = inner.querySelector('.case.is-pass');
  folded.open = false;
  inner.defaultView.location.hash = '#' + folded.id;
  // The page hears of the link in a turn of its own.
  inner.defaultView.addEventListener('hashchange', () => document.querySelector('pre').textContent = JSON.stringify({
    width: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(one => one.outerHTML.slice(0, 80)),
    title: inner.title, scripts: inner.scripts.length, cases: before, filtered, again: shown().length,
    followed: folded.open && folded.offsetHeight > 0, frames: inner.querySelectorAll('.strip img').length,
    left: (box.left - picture.left) / picture.width, top: (box.top - picture.top) / picture.height,
    broken: [...inner.images].filter(one => one.naturalWidth === 0).length,
  }));
};
</script>
"""


def chromium(folder: Path, page: str, *flags: str) -> str:
    """What it wrote to stdout about this page."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "there is no Chromium on the PATH: install the Debian package chromium"
    (folder / "page.html").write_text(page, encoding="utf-8")
    argv = (found, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}", *flags, (folder / "page.html").as_uri())  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def picture_of(folder: Path, *flags: str) -> Image.Image:
    chromium(folder, PAGE, f"--screenshot={folder / 'page.png'}", "--window-size=1280,2400", *flags)
    return Image.open(io.BytesIO((folder / "page.png").read_bytes())).convert("RGB")


def share(picture: Image.Image, colour: tuple[int, int, int]) -> float:
    """How much of the picture is nearly of this colour."""
    size = picture.width * picture.height
    near = 0
    for count, found in picture.getcolors(size) or []:
        assert isinstance(found, tuple)
        near += count if max(abs(one - wanted) for one, wanted in zip(found, colour, strict=True)) <= 6 else 0
    return near / size


@pytest.fixture(scope="module", params=[PHONE, 1280])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Facts about the page in a window of this width, with everything unfolded."""
    folder, width = tmp_path_factory.mktemp("measured"), request.param
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escape(PAGE)}"></iframe>'
    dom = chromium(folder, f"<!doctype html><pre></pre>{frame}{MEASURE}", "--dump-dom", "--window-size=1400,1000")
    found = re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(unescape(found[1]))
    return facts | {"asked": width}


def test_by_day_every_verdict_and_both_boxes_are_to_be_seen(tmp_path: Path) -> None:
    picture = picture_of(tmp_path, "--blink-settings=preferredColorScheme=1")
    assert share(picture, LIGHT) > 0.15
    for verdict, colour in BADGES.items():
        assert 0.0005 < share(picture, colour) < 0.05, verdict
    for colour in (EXPECTED, ANSWERED):
        assert 0.0001 < share(picture, colour) < 0.02


def test_by_night_the_page_is_dark(tmp_path: Path) -> None:
    picture = picture_of(tmp_path, "--blink-settings=preferredColorScheme=0")
    assert share(picture, DARK) > 0.15
    assert share(picture, LIGHT) < 0.05


def test_nothing_sticks_out_at_the_side(measured: dict[str, Any]) -> None:
    assert measured["width"] == measured["asked"]
    assert measured["scroll"] <= measured["asked"]
    assert measured["wide"] == []


def test_a_service_s_script_does_not_run_and_the_page_s_own_does(measured: dict[str, Any]) -> None:
    assert measured["title"].startswith("1 of 4 failed – ernie-deploy smoke: ernie")
    assert measured["scripts"] == 1
    assert measured["broken"] == 0
    assert measured["frames"] == 4 * 16


def test_a_choice_shows_its_verdict_only_and_a_link_to_a_probe_shows_it_in_spite_of_that(
    measured: dict[str, Any],
) -> None:
    assert measured["cases"] == 4
    assert measured["filtered"] == ["skip-2-of-a-rather-long-name"]
    assert measured["followed"]
    assert measured["again"] == 4


def test_where_scripts_are_forbidden_a_choice_still_hides_the_others(tmp_path: Path) -> None:
    chosen = PAGE.replace('id="show-all" checked', 'id="show-all"').replace('id="show-pass"', 'id="show-pass" checked')
    forbidden = chosen.replace("script-src 'sha256-", "script-src 'sha256-x")
    chromium(tmp_path, forbidden, f"--screenshot={tmp_path / 'page.png'}", "--window-size=1280,2400")
    picture = Image.open(tmp_path / "page.png").convert("RGB")
    # The dots and the bar stay, the wide badge of the failed one goes.
    assert share(picture, BADGES["pass"]) > 0.0005
    assert share(picture, BADGES["unsupported"]) < 0.0015


def test_the_page_asks_no_host_for_anything(tmp_path: Path) -> None:
    chromium(tmp_path, PAGE, f"--log-net-log={tmp_path / 'net.json'}", "--screenshot=/dev/null",
             "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
    asked = set(re.findall(r'"url":"(https?:[^"]*)"', (tmp_path / "net.json").read_text()))
    assert {url for url in asked if "evil" in url or "host.example" in url or "127.0.0.1" in url} == set()


def test_a_box_lies_where_it_should_on_its_picture(measured: dict[str, Any]) -> None:
    assert measured["left"] == pytest.approx(0.096, abs=0.02)
    assert measured["top"] == pytest.approx(0.107, abs=0.02)
