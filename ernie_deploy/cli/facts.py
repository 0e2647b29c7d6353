"""`ernie-deploy facts`"""

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, spec_flags


@spec_flags
def facts(asked: Asked) -> None:
    """Print what this host has, as JSON.

    It can be judged elsewhere: ernie-deploy check --facts FILE.
    """
    from ernie_deploy.cli.stages import planned

    ui.json(planned(asked, import_engine=True).facts)
