# docker build -t millrace . && docker run -p 9092:9092 -v millrace:/data millrace
# Clients on other machines: add -e MILLRACE_ADVERTISED_LISTENERS=PLAINTEXT://<a name they know>:9092
# To configure it, mount another /etc/millrace/millrace.yaml, set MILLRACE_… variables, or pass flags: docker run … millrace start --set …
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
# A small young generation: less memory (docs/adr/0007-npm-start-runs-compiled.md).
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=2 \
    MILLRACE_CONFIG=/etc/millrace/millrace.yaml
WORKDIR /millrace
COPY --from=dependencies /millrace/node_modules node_modules
COPY --from=build /millrace/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY packaging/container.yaml /etc/millrace/millrace.yaml
RUN ln -s /millrace/bin/millrace.js /usr/local/bin/millrace && install -d -o node -g node -m 0750 /data
USER node
VOLUME /data
EXPOSE 9092 9404
# Queries the address on which process 1 serves health checks.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["millrace", "health", "--of", "1"]
# The broker is process 1: it handles SIGTERM itself.
ENTRYPOINT ["millrace"]
CMD ["start"]
