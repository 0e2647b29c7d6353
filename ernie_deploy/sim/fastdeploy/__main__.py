"""`python -m ernie_deploy.sim.fastdeploy ENGINE ARGS`"""

import sys

from ernie_deploy.sim.fastdeploy.start import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
