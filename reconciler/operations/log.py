"""The logger `reconciler`, which is loaded where nothing else receives warnings."""

import logging

warning = logging.getLogger("reconciler").warning
