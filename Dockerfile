# syntax=docker/dockerfile:1
# bookworm: its MariaDB client talks to MySQL without a certificate of MySQL's own making.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc pkg-config libmariadb-dev \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmariadb3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home sendcraft \
 && install -d -o sendcraft -g sendcraft -m 0700 /var/lib/sendcraft
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=sendcraft_project.settings.production \
    SENDCRAFT_DATA=/var/lib/sendcraft
WORKDIR /app
COPY . .
# Collecting needs settings, none of which stays in the image.
RUN SENDCRAFT_DATA=/tmp/build SECRET_KEY=build ENCRYPTION_KEYS=only-for-this-step \
    DATABASE_URL=mysql://none@none/none BROKER_URL=redis://none CACHE_URL=redis://none \
    python manage.py collectstatic --noinput \
 && rm -rf /tmp/build
USER sendcraft
VOLUME /var/lib/sendcraft
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["/app/docker/entrypoint.sh"]
CMD ["web"]
