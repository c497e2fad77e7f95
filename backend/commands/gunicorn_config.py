"""Settings of gunicorn, for those who start it themselves; `python -m backend serve` has the same.

    gunicorn -c python:backend.commands.gunicorn_config

What else is written on that command line counts in place of what is here.
"""

import sys

from backend.commands.gunicorn_options import gunicorn_options
from backend.errors import SettingsError
from backend.settings import Settings

wsgi_app = "backend.wsgi:create()"
try:  # gunicorn reads the names of this module
    globals().update(gunicorn_options(Settings.from_env()))
except SettingsError as error:
    sys.exit(f"Firstpass cannot start. {error}")
