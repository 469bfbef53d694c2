"""``python -m offkey.cli``."""

from offkey.cli.app import main

main()
