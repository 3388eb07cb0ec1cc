# The service for production: two stages, so that neither compiler nor development packages reach the image.
#   docker build .                    the service
#   docker build --target tools .     the same, with what `backup` and `restore` need

FROM node:24-bookworm-slim AS build
WORKDIR /app
# Packages first: their layer is made again only when the lock file changes.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim AS base
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/prisma ./prisma
USER node
# tini passes signals on and reaps what is left behind; SIGTERM drains the service.
ENTRYPOINT ["tini", "--"]

FROM base AS tools
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends mariadb-client \
  && rm -rf /var/lib/apt/lists/*
USER node
CMD ["node", "dist/scripts/task.js", "backup", "--to", "/backups"]

FROM base AS service
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/server.js"]
