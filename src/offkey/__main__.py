"""``python -m offkey``."""

from offkey.cli.app import main

main()
