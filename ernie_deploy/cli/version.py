"""`ernie-deploy version`"""

from ernie_deploy import __version__
from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json


def version(as_json: Json = False) -> None:
    """Print the version of ernie-deploy."""
    if as_json:
        ui.json({"ernie_deploy": __version__})
    else:
        ui.out(f"ernie-deploy {__version__}")
