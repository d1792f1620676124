"""Undoes the migrations that the release before does not have, and nothing where there are none: `down` is run for
each release that is taken back, also for one that has migrated nothing."""

import os
from pathlib import Path

import django
from django.core.management import call_command


def migrations(release):
    return {file.stem for file in Path(release, "shop/migrations").glob("[0-9]*.py")}


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
before = os.environ["RELEASE_PREVIOUS_PATH"]
# Without a release before, nothing is to run on the data: they stay as they are.
if before and migrations(".") - migrations(before):
    django.setup()
    last = max(migrations(".") & migrations(before), default="zero")
    call_command("migrate", "shop", last, interactive=False)
