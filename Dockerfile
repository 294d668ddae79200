# docker build -t millrace . && docker run -p 9092:9092 -v millrace:/data millrace
# Clients outside of this machine: add -e MILLRACE_ADVERTISED_LISTENERS=PLAINTEXT://<name they know>:9092
FROM node:24-slim AS build
WORKDIR /millrace
COPY package.json package-lock.json ./
COPY tools tools
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /millrace
COPY package.json package-lock.json ./
COPY tools tools
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
# Half of the default young generation: less memory (docs/benchmark-notes.md).
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=8 \
    MILLRACE_LISTENERS=PLAINTEXT://:9092 \
    MILLRACE_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092 \
    MILLRACE_HTTP_LISTEN=0.0.0.0:9404 \
    MILLRACE_LOG_DIRS=/data
WORKDIR /millrace
COPY --from=dependencies /millrace/node_modules node_modules
COPY --from=build /millrace/dist dist
COPY package.json LICENSE ./
COPY bin bin
RUN ln -s /millrace/bin/millrace.js /usr/local/bin/millrace && install -d -o node -g node -m 0750 /data
USER node
VOLUME /data
EXPOSE 9092 9404
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["millrace", "topic", "list", "--bootstrap", "127.0.0.1:9092"]
# The broker is process 1: it handles SIGTERM itself.
ENTRYPOINT ["millrace"]
CMD ["start"]
