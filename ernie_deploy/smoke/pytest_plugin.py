"""Fixtures for tests of a service: `pytest --ernie-endpoint http://127.0.0.1:8180` gives `ernie` and `ernie_openai`.

Every pytest run of an environment with ernie-deploy loads this module, so it imports nothing before a fixture is used.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest

if TYPE_CHECKING:
    import pluggy

    from ernie_deploy.client import Answer, Client, Endpoint
    from ernie_deploy.report import Case
    from ernie_deploy.smoke.target import Profile, Target

KEY_VARIABLE = "ERNIE_DEPLOY_API_KEY"
DRAWN = pytest.StashKey[str]()
"""How the pictures of this run were drawn, in words."""


class Ernie:
    """The service under test. `endpoint` says where it is, `client` is a client of it, `seed` draws the pictures."""

    def __init__(self, client: "Client", target: "Target") -> None:
        self.endpoint = client.endpoint
        self.client = client
        self.seed = target.seed
        self._target = target

    def ask(self, question: str, *images: "str | Path | bytes", **fields: object) -> "Answer":
        """The whole answer to a question, about pictures if there are any. Raises DeployError."""
        from ernie_deploy.client import image_part

        parts = [image_part(image) for image in images]
        return self._target.chat([*parts, {"type": "text", "text": question}] if parts else question, **fields)

    def probe(self, name: str) -> "Case":
        """What one of the probes of `ernie-deploy smoke --list` finds."""
        from ernie_deploy.smoke.registry import PROBES
        from ernie_deploy.smoke.run import run, select

        chosen = select(PROBES, only=[name])
        return next(case for case in run(PROBES, self._target, chosen) if case.id == name)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ernie-deploy", "a service of ERNIE-4.5-VL")
    group.addoption("--ernie-endpoint", metavar="URL", help="the service that the fixture `ernie` asks")
    group.addoption("--ernie-model", metavar="NAME", help="the name it is asked for; the first it lists otherwise")
    group.addoption("--ernie-expect", metavar="PROFILE", help="contract, rehearsal or model")
    group.addoption("--ernie-seed", metavar="N", type=int, help="draw the same pictures again")
    group.addoption("--ernie-cacert", metavar="FILE", default="", help="the certificate of a private authority")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, pluggy.Result[pytest.TestReport], None]":
    """Keep the key out of tracebacks, whose arguments and locals pytest prints, and out of what a test printed."""
    outcome = yield
    key = os.environ.get(KEY_VARIABLE, "")
    if key and item.config.getoption("--ernie-endpoint"):
        _hide(key, outcome.get_result())


def _hide(key: str, report: pytest.TestReport) -> None:
    from ernie_deploy.hidden import Hidden

    hidden = Hidden(key)
    report.sections = [(title, hidden.text(text)) for title, text in report.sections]
    told = report.longreprtext
    if (clean := hidden.text(told)) != told:
        report.longrepr = clean


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What is needed to ask the very same again."""
    if drawn := config.stash.get(DRAWN, ""):
        terminalreporter.write_line(drawn)


@pytest.fixture(scope="session")
def ernie(request: pytest.FixtureRequest) -> Iterator[Ernie]:
    """The service named by --ernie-endpoint; a test that wants it is skipped without."""
    from ernie_deploy.client import Client
    from ernie_deploy.errors import DeployError

    try:
        endpoint = _endpoint(request.config)
        profile = _profile(request.config, endpoint)
    except DeployError as error:
        pytest.fail(f"{error.message}; {error.hint}", pytrace=False)
    with Client(endpoint) as client:
        target = _target(request.config, client, profile)
        request.config.stash[DRAWN] = f"ernie: expecting {profile}; pictures are drawn with --ernie-seed {target.seed}"
        yield Ernie(client, target)


@pytest.fixture(scope="session")
def ernie_openai(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An `openai.OpenAI` for the same service; `openai` must be installed. Its model is `ernie.endpoint.model`."""
    from ernie_deploy.client.wire import trust

    openai = pytest.importorskip("openai", reason="the fixture ernie_openai needs the package openai")
    endpoint = _endpoint(request.config)
    http = openai.DefaultHttpxClient(verify=trust(endpoint.base_url, endpoint.cacert), trust_env=False)
    # A service without a key takes any, and this client insists on one.
    with openai.OpenAI(
        base_url=endpoint.url("/v1"), api_key=endpoint.api_key or "none", http_client=http, max_retries=0
    ) as client:
        yield client


def _profile(config: pytest.Config, endpoint: "Endpoint") -> "Profile":
    """As asked for, else told by who answers. Raises pytest's failure for a word that is none."""
    from ernie_deploy.smoke.detect import expected_of
    from ernie_deploy.smoke.target import Profile

    asked: str | None = config.getoption("--ernie-expect")
    if asked is None:
        return expected_of(endpoint)
    known: tuple[Profile, ...] = get_args(Profile)
    if asked not in known:
        pytest.fail(f"--ernie-expect {asked}: there is {', '.join(known)}", pytrace=False)
    return next(profile for profile in known if profile == asked)


def _target(config: pytest.Config, client: "Client", profile: "Profile") -> "Target":
    """What `ernie-deploy smoke --url` would probe."""
    from ernie_deploy.smoke.detect import detect, is_simulated, longest_request, metrics_beside
    from ernie_deploy.smoke.practised import seed_for
    from ernie_deploy.smoke.target import Target

    seed: int | None = config.getoption("--ernie-seed")
    return Target(
        client,
        detect(client),
        profile,
        seed_for(profile) if seed is None else seed,
        max_model_len=longest_request(client),
        metrics=metrics_beside(client),
        is_simulated=is_simulated(client),
    )


def _endpoint(config: pytest.Config) -> "Endpoint":
    """Raises pytest's skip without an address, and its failure when the service lists no model."""
    from ernie_deploy.client import Client, Endpoint

    url = config.getoption("--ernie-endpoint")
    if not url:
        pytest.skip("no --ernie-endpoint URL was given")
    endpoint = Endpoint(
        url,
        config.getoption("--ernie-model") or "",
        os.environ.get(KEY_VARIABLE, ""),
        cacert=config.getoption("--ernie-cacert"),
    )
    if endpoint.model:
        return endpoint
    with Client(endpoint) as client:
        listed = client.models()
    if not listed:
        pytest.fail(f"{url} lists no model; name it with --ernie-model")
    return msgspec.structs.replace(endpoint, model=listed[0].id)
