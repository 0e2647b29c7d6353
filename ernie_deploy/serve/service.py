"""A service as readiness and the commands see it: an address, a key, and the proof that a token comes out."""

from collections.abc import Callable, Mapping

from ernie_deploy.client import Client
from ernie_deploy.client import Endpoint as Address
from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import VerifyError
from ernie_deploy.serve.keys import api_key

# Any text does; the model may think as long as it likes, the first token ends the question.
QUESTION = "Reply with exactly one word: ready"
TOKENS = 16


class Service:
    """Asks one endpoint for its health and for a token.

    `is_ours` looks who listens there: somebody else can have taken the port while the engine was loading.
    """

    def __init__(self, address: Address, *, token_timeout_s: float, is_ours: Callable[[], bool] = lambda: True) -> None:
        self._client = Client(address)
        self._timeout_s = token_timeout_s
        self._is_ours = is_ours

    def health(self) -> int | None:
        """The raw status of /health; None while nobody answers, or only a stranger does."""
        status = self._client.health(total_s=5.0)
        return status if status is not None and self._is_ours() else None

    def first_token(self) -> str:
        """The first text of a short answer. Raises DeployError when the stream ends without any."""
        request = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": TOKENS}
        for delta in self._client.stream(request, total_s=self._timeout_s):
            if delta.carries_tokens:
                return delta.reasoning or delta.content or delta.raw
        raise VerifyError("the answer ended without a token")


def address_of(launch: Launch, environ: Mapping[str, str], *, read_s: float = 120.0) -> Address:
    """Where the launched service is, with its key: from the environment, else from the file the engine reads."""
    return Address(launch.base_url, launch.served_model, api_key(launch.secret_env, environ), read_s=read_s)
