# syntax=docker/dockerfile:1
# One image for every process; its command says which. For linux/amd64: pysqlite3 comes built for no other Linux.

FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/headway
ENV PATH=/opt/headway/bin:$PATH
COPY requirements/run.lock requirements/
RUN pip install --require-hashes --only-binary=:all: -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY chassis chassis
COPY gateway gateway
COPY booking_svc booking_svc
COPY tracking_svc tracking_svc
COPY pricing_svc pricing_svc
COPY cli cli
COPY proto/gen/headway proto/gen/headway
# What only building needs goes again, and pip with it.
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hatchling packaging pathspec pluggy tomlkit trove-classifiers pip

FROM python:3.13-slim-bookworm
# A volume that is new takes over the folder that it covers, with its owner.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/headway --shell /usr/sbin/nologin headway \
    && install --directory --owner=headway --group=headway --mode=0700 /var/lib/headway /var/lib/headway/keys \
    /var/lib/headway/keys/private /var/lib/headway/keys/trusted /var/lib/headway/nats /var/lib/headway/payments
COPY --from=build /opt/headway /opt/headway
COPY deploy/nats/nats.conf /etc/headway/nats.conf
# -P for every command: the current folder lends no modules.
ENV PATH=/opt/headway/bin:$PATH PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Booking starts a reader for each feed: gRPC shall not try to take part in such a fork.
ENV GRPC_ENABLE_FORK_SUPPORT=0
WORKDIR /var/lib/headway
USER 10001:10001
EXPOSE 8000
# No HEALTHCHECK: what is healthy differs between the processes, and docker-compose.yml asks each in its own way.
CMD ["python", "-m", "gateway"]
