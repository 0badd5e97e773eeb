import { once } from "node:events";
import { startRedis } from "../../infra/kafka/services/redis.ts";

// Starts a Redis on the folder that it is given, says where, and is killed.
const redis = await startRedis({ folder: process.argv[2] ?? "" });
process.send?.(redis.url);
await once(process, "disconnect");
