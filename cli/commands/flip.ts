import type { Command } from "commander";
import type { FlipAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, wholeNumber, withClient } from "../command.ts";
import { type Terminal, writeJson } from "../terminal.ts";

export function registerFlip(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "flip", [
      "flip delays --to 2",
      "diff delays && tidemark flip delays --to 2    # look at what will change before",
    ])
      .description("Let a view's name mean another of its versions; that of before stays beside it")
      .argument("<view>", "name of the view")
      .requiredOption("--to <version>", "the version, as the app declares it", wholeNumber)
      .action((view: string, options: ClientOptions & { readonly to: string }) =>
        withClient(options.url, async (client) =>
          writeFlip(terminal, options, await client.flip(view, Number(options.to))),
        ),
      ),
  );
}

export function registerRollback(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "rollback", ["rollback delays"])
      .description("Let a view's name mean the version that it meant before the last flip")
      .argument("<view>", "name of the view")
      .action((view: string, options: ClientOptions) =>
        withClient(options.url, async (client) => writeFlip(terminal, options, await client.rollback(view))),
      ),
  );
}

function writeFlip(terminal: Terminal, { json }: ClientOptions, answer: FlipAnswer): void {
  if (json) writeJson(terminal, answer);
  else terminal.out.write(`${describeFlip(answer)}\n`);
}

function describeFlip({ view, was, active, former }: FlipAnswer): string {
  if (was === active) return `${view} is version ${active}, as before`;
  const back = former === null ? "" : `; "tidemark rollback ${view}" leads back to version ${former}`;
  return `${view} is version ${active}, was ${was}${back}`;
}
