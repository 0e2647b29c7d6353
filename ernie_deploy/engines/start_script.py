"""A start script that runs a launch config without us: environment file, working directory, one exec."""

import shlex
from collections.abc import Container, Mapping

from ernie_deploy.engines.base import NO_KEYS, File, Launch
from ernie_deploy.plan.secrets import hidden, is_secret_variable


def env_file(launch: Launch, keys: Mapping[str, str] = NO_KEYS) -> File:
    """`engine.env`: NAME='value' lines that a POSIX shell can source; for its owner alone when there is a secret in it.

    `keys` are API keys by variable, for a host that gets only this directory.
    """
    lines = [f"{name}={shlex.quote(value)}" for name, value in {**launch.env, **keys}.items()]
    has_secret = bool(keys) or any(is_secret_variable(name) for name in launch.env)
    return File("engine.env", "\n".join(lines) + "\n", mode=0o600 if has_secret else 0o644)


def script(launch: Launch, argv: tuple[str, ...], *, config: str = "", without: Container[str] = ()) -> File:
    """`start.sh`: sources engine.env beside it and becomes the engine; keys are read from their files just then.

    `config` names a file beside the script, which becomes the last word of argv; it is our own name, never data.
    `without` are the variables whose keys are in engine.env already.
    """
    keys = [f'{name}="$(cat {shlex.quote(path)})"; export {name}'
            for name, path in launch.secret_env.items() if name not in without]  # fmt: skip
    links = [f"ln -sfn {shlex.quote(target)} {shlex.quote(name)}" for name, target in launch.links.items()]
    lines = [
        "#!/bin/sh",
        "# Starts the engine in the foreground, exactly as `ernie-deploy up` does; it needs nothing of ernie-deploy.",
        "set -eu",
        'here=$(cd "$(dirname "$0")" && pwd)',
        'set -a; . "$here/engine.env"; set +a',
        *keys,
        f"mkdir -p {shlex.quote(launch.working_dir)}" + (f" {shlex.quote(launch.log_dir)}" if launch.log_dir else ""),
        f"cd {shlex.quote(launch.working_dir)}",
        *links,
        f"exec {shlex.join(argv)}" + (f' "$here/{config}"' if config else ""),
    ]
    return File("start.sh", "\n".join(lines) + "\n", mode=0o755)


def pasteable(launch: Launch) -> str:
    """One command for a terminal: the working directory, the environment and the argv of a launch.

    Keys are set before `env`, not by it: its arguments can be read by everybody. A secret of the environment is not
    shown, so it must be filled in.
    """
    setup = [f"mkdir -p {shlex.quote(launch.working_dir)}", f"cd {shlex.quote(launch.working_dir)}"]
    setup += [f"ln -sfn {shlex.quote(target)} {shlex.quote(name)}" for name, target in launch.links.items()]
    # Without its key the service would be open to everybody.
    setup += [f"test -r {shlex.quote(path)}" for path in launch.secret_env.values()]
    keys = [f'{name}="$(cat {shlex.quote(path)})"' for name, path in launch.secret_env.items()]
    env = [f"{name}={shlex.quote(value)}" for name, value in hidden(launch.env).items()]
    return " && ".join([*setup, " ".join([*keys, "env", *env, shlex.join(launch.argv)])])
