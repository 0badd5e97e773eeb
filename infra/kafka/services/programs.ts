import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Where the system finds a program, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    if (folder !== "" && (await isExecutable(path))) return path;
  }
  return undefined;
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Runs a program to its end, and hands on each line it says. The whole of it is in what a failure is reported with. */
export async function run(
  command: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let output = "";
  let line = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const whole of lines) onLine(whole);
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, output };
}

/** Whether Debian's package manager is there and we may use it. */
export async function canInstall(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findProgram("apt-get")) !== undefined;
}

/** False if apt-get did not bring them. */
export async function install(packages: readonly string[], report: (what: string) => void): Promise<boolean> {
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  const get = (...args: string[]) => run("apt-get", ["-q", "-y", ...args], () => undefined, quiet);
  report(`apt-get install ${packages.join(" ")}`);
  if ((await get("install", "--no-install-recommends", ...packages)).code === 0) return true;
  await get("update");
  return (await get("install", "--no-install-recommends", ...packages)).code === 0;
}
