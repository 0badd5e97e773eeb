import { expect, test } from "vitest";
import { KeyFiles } from "../../infra/subject-keys/key-files.ts";
import { offset } from "../../views/cut.ts";
import { sharedStage, topic } from "./shared-stage.ts";

const { nodeOf, letterOf, endOf, readFrom, filesOf, erase, written, stored, keysRoot } = sharedStage();

/** Something happens before each change. */
class WatchedFiles extends KeyFiles {
  constructor(before: (change: string) => Promise<unknown>) {
    super(keysRoot());
    for (const name of ["create", "replace", "move", "remove"] as const) {
      const own = this[name].bind(this) as (...args: readonly unknown[]) => Promise<never>;
      this[name] = async (...args: readonly unknown[]) => {
        await before(`${name} ${args[0]}`);
        return own(...args);
      };
    }
  }
}

/** Before the first change of that kind. */
function once(change: string, work: () => Promise<unknown>): WatchedFiles {
  let isDone = false;
  return new WatchedFiles(async (each) => {
    if (isDone || each !== change) return;
    isDone = true;
    await work();
  });
}

test("an eraser that dies at any step is taken over, and appends go on", async () => {
  const gateway = await nodeOf();
  let held = 0;
  for (let steps = 0, isDone = false; !isDone; steps++) {
    const from = await endOf();
    const who = `Agrajag ${steps}`;
    const stay = letterOf("Prosser");
    await gateway.append([letterOf(who), stay]);
    let alive = steps;
    const files = new WatchedFiles(async () => {
      if (--alive < 0) throw new Error("killed");
    });
    const dying = await nodeOf(stored(), files);
    const bound = await erase(dying, who).then(
      async (erasing) => {
        await erasing.destroy().catch(() => undefined);
        return erasing.bound;
      },
      () => undefined,
    );
    isDone = alive >= 0;
    const later = letterOf(who);
    const other = letterOf("Prosser");
    let isOtherTaken = false;
    // Between two steps of the destruction nobody knows yet which key is the next.
    const taking = gateway.append([later]).then(
      () => true,
      (error: { readonly code: string }) => {
        // Nobody else has waited for it.
        expect([error.code, isOtherTaken]).toEqual(["TIDEMARK_INGEST_ERASING", true]);
        return false;
      },
    );
    await gateway.append([other]);
    isOtherTaken = true;
    const isTaken = await taking;
    const cut = bound === undefined ? undefined : { [topic]: [offset(bound)] };
    const taker = await nodeOf();
    if (cut === undefined) {
      // Nobody was told that it was asked for, and asks again.
      expect(isTaken).toBe(true);
      await (await erase(taker, who)).destroy();
    } else await taker.destroyKeys([{ key: who, type: null, bound: cut }]);
    if (!isTaken) {
      held++;
      await gateway.append([later]);
    }
    const { ids } = await readFrom(await nodeOf(), from);
    const left = cut === undefined ? [stay, other] : [stay, other, later];
    expect([steps, [...ids].sort()]).toEqual([steps, left.map(({ id }) => id).sort()]);
    expect([steps, await filesOf("retired", "bounds", "next")]).toEqual([steps, []]);
    expect(steps).toBeLessThan(30);
  }
  expect(held).toBeGreaterThan(0);
});

test("who needs a bound first finds it, and what comes with the next key lies behind it", async () => {
  const from = await endOf();
  const [gateway, reader] = await Promise.all([nodeOf(), nodeOf()]);
  await gateway.append([letterOf("Lunkwill")]);
  const [former, later] = [letterOf("Lunkwill"), letterOf("Lunkwill")];
  // The eraser has put up its mark, and is about to look for the bound, and then to write it down.
  const early = async () => {
    if ((await endOf()) === from + 1) await gateway.append([former]);
    return written(topic);
  };
  const late = once("create bounds", () => gateway.append([later]));
  const { bound, destroy } = await erase(await nodeOf(stored(), late, early), "Lunkwill");
  expect(bound).toBe(from + 1);
  await destroy();
  expect((await readFrom(reader, from)).ids).toEqual([former.id, later.id]);
});

test("an erasure destroys no key that was retired by a later one", async () => {
  const from = await endOf();
  const node = await nodeOf();
  const letters = [letterOf("Fook"), letterOf("Fook"), letterOf("Fook")] as const;
  await node.append([letters[0]]);
  const first = await erase(node, "Fook");
  await node.append([letters[1]]);
  const second = await erase(node, "Fook");
  await node.append([letters[2]]);
  const left = async () => (await readFrom(node, from)).ids;
  expect([await first.destroy(), await left()]).toEqual([1, [letters[1].id, letters[2].id]]);
  expect([await second.destroy(), await left()]).toEqual([1, [letters[2].id]]);
});

test("no key is left where no erasure finds it, whatever a gateway does while a former one is destroyed", async () => {
  const gateway = await nodeOf();
  const erasesAll = async (who: string, from: number) => {
    const { destroy } = await erase(gateway, who);
    await destroy();
    expect([who, (await readFrom(gateway, from)).ids]).toEqual([who, []]);
    expect([who, await filesOf("retired", "bounds", "next")]).toEqual([who, []]);
  };
  const keys = await filesOf("keys", "subjects");

  // It is about to put a key behind one that is destroyed meanwhile; another has begun anew, or not.
  for (const who of ["Majikthise", "Vroomfondel"]) {
    const from = await endOf();
    await gateway.append([letterOf(who)]);
    const erasing = await erase(gateway, who);
    const late = once("create next", async () => {
      await erasing.destroy();
      if (who === "Majikthise") await gateway.append([letterOf(who)]);
    });
    await (await nodeOf(stored(), late)).append([letterOf(who)]);
    await erasesAll(who, from);
  }

  // It has found the key's subject, and goes on when another is just about to take back what it has put behind.
  const from = await endOf();
  await gateway.append([letterOf("Deep Thought")]);
  const thinking = await erase(gateway, "Deep Thought");
  let go: () => void = () => undefined;
  const isTime = new Promise<void>((resolve) => {
    go = resolve;
  });
  class SlowFiles extends KeyFiles {
    override async read(...args: Parameters<KeyFiles["read"]>) {
      const text = await super.read(...args);
      if (args[0] === "subjects") await isTime;
      return text;
    }
  }
  const slow = await nodeOf(stored(), new SlowFiles(keysRoot()));
  const appended = slow.append([letterOf("Deep Thought")]);
  const late = new WatchedFiles(async (change) => {
    if (change === "create next") await thinking.destroy();
    if (change !== "remove keys") return;
    go();
    await appended;
  });
  await (await nodeOf(stored(), late)).append([letterOf("Deep Thought")]);
  expect((await readFrom(gateway, from)).ids).not.toContain("unreadable");
  await erasesAll("Deep Thought", from);

  // It comes when the eraser has seen that no key follows, and before it has said so.
  const last = await endOf();
  await gateway.append([letterOf("Phouchg")]);
  const erasing = await erase(gateway, "Phouchg");
  const meanwhile = once("replace subjects", async () => {
    await gateway.append([letterOf("Phouchg")]).catch(() => undefined);
  });
  const cut = { [topic]: [offset(erasing.bound)] };
  await (await nodeOf(stored(), meanwhile)).destroyKeys([{ key: "Phouchg", type: null, bound: cut }]);
  await gateway.append([letterOf("Phouchg")]);
  await erasesAll("Phouchg", last);
  expect(await filesOf("keys", "subjects")).toEqual(keys);
});
