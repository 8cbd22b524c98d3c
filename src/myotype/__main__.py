"""Makes ``python -m myotype`` the command line."""

import sys

from myotype.cli import main

if __name__ == "__main__":
    sys.exit(main())
