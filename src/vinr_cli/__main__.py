"""`python -m vinr_cli` is `vinr`."""

import sys

from vinr_cli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
