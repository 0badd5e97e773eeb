/**
 * Clients of a live query in a process of their own, which take what they are told and do nothing with it, as if they
 * were elsewhere: says when each has its first rows, and answers any message with how many bytes they were told since.
 */
import { get, type IncomingMessage } from "node:http";

const [url = "", subscribers] = process.argv.slice(2);
let bytes = 0;
const first = Array.from({ length: Number(subscribers) }, async (_, i) => {
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    get(`${url}&limit=${10 + (i % 10)}`, resolve).on("error", reject),
  );
  if (response.statusCode !== 200) throw new Error(`a live query was answered ${response.statusCode}`);
  await new Promise<void>((resolve) =>
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      resolve();
    }),
  );
});
await Promise.all(first);
bytes = 0;
process.on("message", () => process.send?.(bytes));
process.on("disconnect", () => process.exit());
process.send?.("ready");
