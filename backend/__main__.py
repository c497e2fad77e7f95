import sys

from backend.commands.cli import main

sys.exit(main())
