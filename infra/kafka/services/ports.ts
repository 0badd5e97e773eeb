import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

// Below the ports that systems give to outgoing connections (Linux from 32768, macOS from 49152): a port of those can be
// taken while its server is down, even by a client that tries to reach it and so connects to itself.
const lowest = 15_000;
const highest = 32_000;

const taken = new Set<number>();

/** Ports of 127.0.0.1 that nobody listens on, and that this process was not given before: `preferred` ones first. */
export async function freePorts(count: number, preferred: readonly number[] = []): Promise<number[]> {
  const ports: number[] = [];
  const wanted = [...preferred];
  while (ports.length < count) {
    const port = wanted.shift() ?? randomInt(lowest, highest);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
