#!/bin/sh
# What a container of the image does: web, worker, beat, migrate, or any manage.py command.
set -eu

case "${1:-web}" in
  web)
    exec gunicorn sendcraft_project.wsgi:application --bind 0.0.0.0:8000 \
      --workers "${WEB_CONCURRENCY:-4}" --worker-class gthread --threads 8 \
      --timeout 60 --graceful-timeout 25 --keep-alive 75 --limit-request-line 8190 --worker-tmp-dir /dev/shm --log-level warning \
      --no-control-socket
    ;;
  worker)
    exec celery --quiet -A sendcraft_project worker --concurrency "${WORKER_CONCURRENCY:-4}" \
      --loglevel WARNING --without-gossip --without-mingle --without-heartbeat
    ;;
  beat)
    exec celery --quiet -A sendcraft_project beat --loglevel WARNING --pidfile ''
    ;;
  migrate)
    exec python manage.py migrate --noinput
    ;;
  *)
    exec python manage.py "$@"
    ;;
esac
