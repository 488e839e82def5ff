# Sereno in a small image, as a user without rights.
#
#   docker build -t sereno .
#   docker run --read-only -p 8080:8080 -v sereno:/var/lib/sereno -v ./sereno.yaml:/etc/sereno/sereno.yaml:ro \
#       -v ./commands:/etc/sereno/commands:ro sereno
#
# Runbooks that run programs need these programs: build an image from this one that has them.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY config config
COPY migrations migrations
COPY commands commands
# Not built here, but a member of the workspace has to be there.
COPY tests/fakes tests/fakes
RUN cargo build --release --locked --package sereno --bin sereno

FROM debian:bookworm-slim
# Authorities for TLS, time zones for rotas, and a first process that buries orphans of runbooks' programs.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tini tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /var/lib/sereno \
    && chown 65532:65532 /var/lib/sereno
COPY --from=build /src/target/release/sereno /usr/local/bin/sereno
COPY config/sereno.yaml /etc/sereno/sereno.yaml
COPY commands /etc/sereno/commands

# These two win over the file: in a container the address is the container's own, and runbooks are mounted.
ENV SERENO_SERVER__LISTEN=0.0.0.0:8080 \
    SERENO_CATALOG__PATH=/etc/sereno/commands
USER 65532:65532
# A relative SQLite file, as in the shipped configuration, lands in the volume.
WORKDIR /var/lib/sereno
VOLUME /var/lib/sereno
EXPOSE 8080
# Without a further program in the image: bash speaks TCP.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${SERENO_SERVER__LISTEN##*:} && printf 'GET /live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["tini", "--", "sereno"]
CMD ["serve", "--config", "/etc/sereno/sereno.yaml"]
