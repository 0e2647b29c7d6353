"""The API key: read from its file at the moment it is needed, and kept nowhere else."""

from collections.abc import Mapping
from pathlib import Path

from ernie_deploy.errors import UsageError

KEY_VARIABLE = "ERNIE_DEPLOY_API_KEY"


def api_key(secret_env: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """The key a client presents: from the environment, else from the file the engine reads; empty when there is none.

    Raises UsageError when the file cannot be used.
    """
    if environ.get(KEY_VARIABLE):
        return environ[KEY_VARIABLE]
    # Both engines take several keys, separated by commas; any of them opens.
    return next((secret(Path(path)).split(",")[0] for path in secret_env.values()), "")


def secret(path: Path) -> str:
    """What a key file holds. Raises UsageError when others can read it, or when an engine could not use it as a key."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path}: others can read this key", hint=f"chmod 600 {path}")
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{path}: the API key cannot be read: {error.strerror}") from None
    # It becomes a variable and a header; and an empty one would open the service to everybody, without a word.
    if not key or not key.isascii() or not key.decode("ascii").isprintable():
        raise UsageError(f"{path}: this is no API key: one line of printable ASCII is", hint="openssl rand -hex 32")
    return key.decode("ascii")
