import { mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TidemarkError } from "../../../views/errors.ts";
import { cacheFolder } from "./cache-folder.ts";
import { canInstall, findProgram, install, run } from "./programs.ts";

/** A program of Java's, as Maven has it. */
export interface JarsWanted {
  /** "Kafka" */
  readonly name: string;
  readonly version: string;
  /** `group:artifact:version` each; what they rest on comes along. */
  readonly artifacts: readonly string[];
  /** What is thrown where they can't be had: it says how they can. */
  readonly missing: (why: string) => TidemarkError;
}

export interface Jars {
  readonly folder: string;
  readonly classPath: string;
}

/** Jars out of the cache folder, or by Maven into it. */
export async function obtainJars(wanted: JarsWanted, report: (what: string) => void): Promise<Jars> {
  const { name, version } = wanted;
  const cached = join(cacheFolder(), `${name.toLowerCase().replaceAll(" ", "-")}-${version}`);
  const jars = (await listJars(cached)) ?? (await download(cached, wanted, report));
  // Its one real name, and that of each jar: an archive of classes is of a class path word for word.
  const folder = await realpath(cached);
  return { folder, classPath: jars.map((jar) => join(folder, jar)).join(":") };
}

async function listJars(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(".jar")).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function obtainMaven({ name, missing }: JarsWanted, report: (what: string) => void): Promise<string> {
  const found = await findProgram("mvn");
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["maven"], report))) {
    const installed = await findProgram("mvn");
    if (installed !== undefined) return installed;
  }
  throw missing(`there is no Maven here to get ${name}'s jars with`);
}

/** Into a folder of its own first: others see all jars or none, and of two who download at once one wins. */
async function download(
  folder: string,
  wanted: JarsWanted,
  report: (what: string) => void,
): Promise<string[]> {
  const { name, version, missing } = wanted;
  const maven = await obtainMaven(wanted, report);
  await mkdir(cacheFolder(), { recursive: true });
  const draft = await mkdtemp(`${folder}.`);
  try {
    await writeFile(join(draft, "pom.xml"), pom(wanted));
    let count = 0;
    report(`${name} ${version}: downloading by Maven`);
    const { code, output } = await run(
      maven,
      ["--batch-mode", "--file", join(draft, "pom.xml"), copy, `-DoutputDirectory=${join(draft, "jars")}`],
      (line) => {
        const file = /^\[INFO\] Downloaded from .*\/([^/ ]+\.jar) /.exec(line)?.[1];
        if (file !== undefined) report(`${name} ${version}: ${++count} files, ${file}`);
      },
    );
    if (code !== 0) throw missing(`Maven could not get ${name}'s jars:\n${output.trim().slice(-2_000)}\n`);
    await rename(join(draft, "jars"), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return (await listJars(folder)) ?? [];
}

const copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

function pom({ name, artifacts }: JarsWanted): string {
  const dependencies = artifacts.map((each) => {
    const [group, artifact, version] = each.split(":");
    return `    <dependency>
      <groupId>${group}</groupId>
      <artifactId>${artifact}</artifactId>
      <version>${version}</version>
      <scope>runtime</scope>
    </dependency>
`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark</groupId>
  <artifactId>${name.toLowerCase().replaceAll(" ", "-")}</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join("")}  </dependencies>
</project>
`;
}
