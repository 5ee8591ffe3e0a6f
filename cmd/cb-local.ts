/** cb-local: the whole system on one machine, for the quick start, for tests and for a workstation. */
import { Command, Option } from "commander";
import type { BuilderKind } from "../infra/local/builders.ts";
import { down } from "../infra/local/down.ts";
import { quickstart } from "../infra/local/quickstart.ts";
import { localStatus } from "../infra/local/status.ts";
import { up } from "../infra/local/up.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { CbError } from "../lib/core/errors.ts";

interface Options {
  readonly provider?: BuilderKind;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const ACTIONS: Readonly<Record<string, (options: Options) => Promise<unknown>>> = {
  up: ({ provider }) => up(say, interruptSignal(), provider),
  down: () => down(say),
  status: () => localStatus((line) => void process.stdout.write(`${line}\n`)),
  quickstart: () => quickstart(say),
};

await main("cb-local", async (argv) => {
  const command = new Command("cb-local")
    .description("NATS, the queue and its builders on this machine.")
    .argument("<action>", "up, down, status, or quickstart: up and a first build")
    .addOption(
      new Option("--provider <kind>", 'of "up": sandboxes, the default, or virtual machines').choices([
        "sandbox",
        "qemu",
      ]),
    )
    .option("--debug", "say more when something fails");
  const { args, options } = parse<Options>(command, argv);
  const [name = ""] = args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    throw new CbError("usage", `no such action: ${name}`, { hint: `there are ${Object.keys(ACTIONS).join(", ")}` });
  }
  if (options.provider !== undefined && name !== "up") throw new CbError("usage", '--provider belongs to "up" alone');
  await action(options);
  return 0;
});
