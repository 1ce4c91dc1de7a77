#!/bin/sh
# What a container of the image does: web, worker, urgent, beat, migrate, or any manage.py command.
set -eu

celery_worker() {
  exec celery --quiet -A sendcraft_project worker --loglevel WARNING \
    --without-gossip --without-mingle --without-heartbeat "$@"
}

case "${1:-web}" in
  web)
    exec gunicorn sendcraft_project.wsgi:application --bind 0.0.0.0:8000 \
      --workers "${WEB_CONCURRENCY:-4}" --worker-class gthread --threads 8 \
      --timeout 60 --graceful-timeout 25 --keep-alive 75 --limit-request-line 8190 --worker-tmp-dir /dev/shm --log-level warning \
      --no-control-socket
    ;;
  worker)
    celery_worker --concurrency "${WORKER_CONCURRENCY:-4}"
    ;;
  urgent)
    celery_worker --pool threads --concurrency 16 --queues high,default
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
