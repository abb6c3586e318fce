# The image of Gatehouse, for amd64 and arm64. See docs/deploying.md.
#
#   docker build --tag gatehouse .
#   docker build --build-arg LOCK=requirements-cloud.lock --tag gatehouse:cloud .
#
# For a release, pin BASE by its digest (name:tag@sha256:…) and set SOURCE_DATE_EPOCH. Everything else is
# pinned by hashes in the lock.
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE} AS build
ARG LOCK=requirements.lock
ARG SOURCE_DATE_EPOCH
COPY . /src
RUN SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} /src/deploy/install.sh /src /opt/gatehouse "$LOCK"

FROM ${BASE}
# The base has pip, which nothing needs here. Numbers, because Kubernetes checks that they are not 0.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/gatehouse
COPY --from=build /opt/gatehouse /opt/gatehouse
WORKDIR /opt/gatehouse
USER 10001:10001
# uvicorn reads its options from UVICORN_*, and the number of workers from WEB_CONCURRENCY.
ENV PATH=/opt/gatehouse/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ENV_FILE=/dev/null \
    GATEWAY_DATA_DIR=/var/lib/gatehouse \
    UVICORN_HOST=0.0.0.0 \
    UVICORN_PORT=8000 \
    UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=30
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['UVICORN_PORT'] + '/healthz', timeout=2)"]
CMD ["python", "-m", "gatewayproject.server"]
