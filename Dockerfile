# One image for every role: docker build -t tidemark:0.1.0 .
# The source runs as it stands, so that an app's `import … from "tidemark"` and the platform are the same modules.

FROM node:22.14.0-bookworm-slim AS dependencies
WORKDIR /tidemark
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM node:22.14.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /tidemark
COPY --from=dependencies /tidemark/node_modules ./node_modules
COPY package.json LICENSE ./
COPY views ./views
COPY infra ./infra
COPY ingestion ./ingestion
COPY batch-layer ./batch-layer
COPY speed-layer ./speed-layer
COPY serving-layer ./serving-layer
COPY cli ./cli
COPY client ./client
COPY examples ./examples
# An app of your own: FROM this image, COPY app.ts /app/app.ts, and --app /app/app.ts.
RUN mkdir -p /app/node_modules && ln -s /tidemark /app/node_modules/tidemark \
  && echo '{ "type": "module" }' > /app/package.json \
  && install -d -o node -g node /data
USER node
WORKDIR /app
VOLUME /data
EXPOSE 4100
ENTRYPOINT ["node", "/tidemark/cli/tidemark.mjs"]
CMD ["--help"]
