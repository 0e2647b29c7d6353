"""`python -m ernie_deploy` and the `ernie-deploy` script."""

from ernie_deploy.cli.app import main

if __name__ == "__main__":
    main()
