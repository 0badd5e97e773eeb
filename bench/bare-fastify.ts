/** A bare Fastify in a process of its own: answers with the payload that stands in the file named, as an object. */
import { readFileSync } from "node:fs";
import Fastify from "fastify";

const payload: unknown = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const server = Fastify();
server.get("/", () => payload);
await server.listen({ port: 0, host: "127.0.0.1" });
const address = server.server.address();
process.send?.(typeof address === "object" ? address?.port : undefined);
process.on("disconnect", () => process.exit());
