"""A start script that runs a launch config without us: environment file, working directory, one exec."""

import shlex

from ernie_deploy.engines.base import File, Launch


def env_file(launch: Launch) -> File:
    """`engine.env`: NAME='value' lines that a POSIX shell can source; never a secret."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in launch.env.items()]
    return File("engine.env", "\n".join(lines) + "\n")


def script(launch: Launch, argv: tuple[str, ...], *, config: str = "") -> File:
    """`start.sh`: sources engine.env beside it and becomes the engine; keys are read from their files just then.

    `config` names a file beside the script, which becomes the last word of argv; it is our own name, never data.
    """
    keys = [f'{name}="$(cat {shlex.quote(path)})"; export {name}' for name, path in launch.secret_env.items()]
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
    """One command for a terminal: the working directory, the environment and the argv of a launch."""
    setup = [f"mkdir -p {shlex.quote(launch.working_dir)}", f"cd {shlex.quote(launch.working_dir)}"]
    setup += [f"ln -sfn {shlex.quote(target)} {shlex.quote(name)}" for name, target in launch.links.items()]
    env = [f"{name}={shlex.quote(value)}" for name, value in launch.env.items()]
    env += [f'{name}="$(cat {shlex.quote(path)})"' for name, path in launch.secret_env.items()]
    return " && ".join([*setup, " ".join(["env", *env, shlex.join(launch.argv)])])
