/** cb-local: the whole system on one machine, for the quick start, for tests and for a workstation. */
import { Command } from "commander";
import { down } from "../infra/local/down.ts";
import { quickstart } from "../infra/local/quickstart.ts";
import { localStatus } from "../infra/local/status.ts";
import { up } from "../infra/local/up.ts";
import { interruptSignal } from "../lib/client/interrupt.ts";
import { CbError } from "../lib/errors.ts";
import { main } from "../lib/program/main.ts";
import { parse } from "../lib/program/parse.ts";

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const ACTIONS: Readonly<Record<string, () => Promise<unknown>>> = {
  up: () => up(say, interruptSignal()),
  down: () => down(say),
  status: () => localStatus((line) => void process.stdout.write(`${line}\n`)),
  quickstart: () => quickstart(say),
};

await main("cb-local", async (argv) => {
  const command = new Command("cb-local")
    .description("NATS, the queue and sandboxed builders on this machine.")
    .argument("<action>", "up, down, status, or quickstart: up and a first build")
    .option("--debug", "say more when something fails");
  const [name = ""] = parse(command, argv).args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    throw new CbError("usage", `no such action: ${name}`, { hint: `there are ${Object.keys(ACTIONS).join(", ")}` });
  }
  await action();
  return 0;
});
