"""A Celery worker as a shop has one: ``celery -A benchmarks.worker worker``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
app = Celery("benchmarks", broker=os.environ.get("BROKER"))
app.conf.task_ignore_result = True
app.autodiscover_tasks(["nexi_payments"])
