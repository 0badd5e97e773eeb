import { chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TidemarkError } from "../../../views/errors.ts";
import { GuardedProcess } from "./guarded-process.ts";
import { freePorts } from "./ports.ts";
import { canInstall, findProgram, install, isExecutable, run } from "./programs.ts";
import { untilReady } from "./until-ready.ts";

/**
 * Starts a PostgreSQL of its own in a temporary folder, on 127.0.0.1, ready for logical decoding. Anyone here may log
 * in, as `postgres`.
 */
export async function startPostgres(report?: (what: string) => void): Promise<PostgresNode> {
  const programs = await obtainPostgres(report);
  const folder = await mkdtemp(join(tmpdir(), "tidemark-postgres-"));
  try {
    const user = await unprivilegedUser();
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    // It refuses to be root.
    const as =
      user === undefined
        ? []
        : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"];
    const data = join(folder, "data");
    const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    const [first = "", ...others] = [...as, join(programs, "initdb"), ...initdb];
    const { code, output } = await run(first, others);
    if (code !== 0) throw new TidemarkError("TIDEMARK_SERVICE_START", `initdb failed:\n${output}`);
    const [port = 0] = await freePorts(1);
    const node = new PostgresNode(port, folder, [...as, join(programs, "postgres"), "-D", data]);
    await node.start();
    return node;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A real PostgreSQL; it ends with this process. Disposing of it removes all that it holds. */
export class PostgresNode implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #command: readonly string[];
  #process: GuardedProcess | undefined;

  constructor(port: number, folder: string, command: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#command = command;
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** Comes back once it takes connections. */
  async start(): Promise<void> {
    const settings = {
      port: String(this.port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: this.#folder,
      wal_level: "logical",
      // A crash of the machine may take it: it is for a test or an example.
      fsync: "off",
      shared_buffers: "16MB",
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const [command = "", ...args] = [...this.#command, ...options];
    // Where only we write: PostgreSQL inherits it open.
    const log = `${this.#folder}.log`;
    this.#process = await GuardedProcess.start(command, args, log);
    await untilReady("PostgreSQL", this.#process, log, async () =>
      (await readFile(log, "utf8")).includes("database system is ready to accept connections"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It waits for its clients, who should be gone.
    await this.#process?.stop(2_000);
    await rm(this.#folder, { recursive: true, force: true });
    await rm(`${this.#folder}.log`, { force: true });
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Whom to be if we are root: the package's own user, or nobody. */
async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = lines.find(([each]) => each === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new TidemarkError(
    "TIDEMARK_SERVICE_START",
    "PostgreSQL refuses to be root, and there is no other user here: neither postgres nor nobody",
  );
}

/** The folder of its programs. Throws TIDEMARK_SERVICE_MISSING, which says how it can be had. */
export async function obtainPostgres(report: (what: string) => void = () => undefined): Promise<string> {
  const { TIDEMARK_POSTGRES } = process.env;
  if (TIDEMARK_POSTGRES !== undefined && TIDEMARK_POSTGRES !== "") {
    if (await isExecutable(join(TIDEMARK_POSTGRES, "initdb"))) return TIDEMARK_POSTGRES;
    throw missing(`TIDEMARK_POSTGRES names ${TIDEMARK_POSTGRES}, which has no initdb`);
  }
  const found = await findPrograms();
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["postgresql"], report))) {
    const installed = await findPrograms();
    if (installed !== undefined) return installed;
  }
  throw missing("there is no PostgreSQL here");
}

/** Debian keeps those of the server out of the path, by version. */
async function findPrograms(): Promise<string | undefined> {
  const onPath = await findProgram("initdb");
  if (onPath !== undefined) return join(onPath, "..");
  const versions = await readdir("/usr/lib/postgresql").catch(() => []);
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const folder = join("/usr/lib/postgresql", version, "bin");
    if (await isExecutable(join(folder, "initdb"))) return folder;
  }
  return undefined;
}

function missing(what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SERVICE_MISSING",
    `${what}. Install it (Debian: apt-get install postgresql; macOS: brew install postgresql), or name the folder of its programs with TIDEMARK_POSTGRES`,
  );
}
