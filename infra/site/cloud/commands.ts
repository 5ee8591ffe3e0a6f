/** Declares the subcommands `site up`, `update`, `status` and `down` of cb-admin. */
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { type Command, Option } from "commander";
import { interruptSignal } from "../../../lib/cli/interrupt.ts";
import { printText } from "../../../lib/cli/standard-output.ts";
import { Steps } from "../../../lib/cli/terminal.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { withFolderLock } from "../../tools/folder-lock.ts";
import { initSite } from "../init.ts";
import { planText, resultText } from "./plan/action-text.ts";
import type { Mode } from "./plan/planner.ts";
import type { SitePlan } from "./plan/site-state.ts";
import { SiteRun } from "./site-run.ts";
import { siteStatus, statusText } from "./status.ts";

const FOLDER = "the folder of the site";
const PLAN = "show the actions, and change nothing in the cloud";

/** Two commands would make each resource twice. */
const LOCK = { waitS: 5, holder: "another command changes the site" };

interface Options {
  readonly json?: boolean;
  readonly plan?: boolean;
  readonly restore?: string;
  readonly yes?: boolean;
}

export function addCloudCommands(site: Command): void {
  site
    .command("up")
    .description("make in the cloud what is missing of the site; replaces no host")
    .argument("<folder>", FOLDER)
    .addOption(new Option("--plan", PLAN).conflicts("restore"))
    .option("--restore <backup>", "restore this backup into the NATS host, which is lost, while no queue runs")
    .action((folder: string, _, command: Command) => bring(folder, "up", command));
  site
    .command("update")
    .description("make what is missing, and replace the hosts that differ from site.yaml, one after the other")
    .argument("<folder>", FOLDER)
    .option("--plan", PLAN)
    .action((folder: string, _, command: Command) => bring(folder, "update", command));
  site
    .command("status")
    .description(
      "show the site's resources in the cloud, and whether NATS and the queue answer (exit code 75 if anything is amiss)",
    )
    .argument("<folder>", FOLDER)
    .action((folder: string, _, command: Command) =>
      withRun(folder, async (run) => {
        const status = await siteStatus(run);
        printText(command.optsWithGlobals<Options>().json ? json(status) : statusText(status, folder));
        if (!status.isWhole) throw new CbError("infrastructure", `the site ${run.site.name} is not whole`);
      }),
    );
  site
    .command("down")
    .description("delete everything of the site in the cloud, with all builds, and nothing else")
    .argument("<folder>", FOLDER)
    .option("--plan", PLAN)
    .option("-y, --yes", "do not ask")
    .action((folder: string, _, command: Command) => down(folder, command));
}

const bring = (folder: string, mode: Mode, command: Command): Promise<void> =>
  withFolderLock(resolve(folder), LOCK, () => bringAlone(folder, mode, command));

async function bringAlone(folder: string, mode: Mode, command: Command): Promise<void> {
  const { json: isJson, plan: isPlan, restore } = command.optsWithGlobals<Options>();
  const print = (plan: SitePlan, text: (plan: SitePlan) => string): void => printText(isJson ? json(plan) : text(plan));
  if (!isPlan) await withRun(folder, (run) => run.reserveAddresses());
  await withRun(folder, async (run) => {
    // The files of all hosts are those of the answers.
    const { changes } = await initSite(resolve(folder), {}, Date.now());
    if (changes.length > 0) process.stderr.write(`${changes.length} files in ${folder} are new or changed\n`);
    if (restore !== undefined) await run.restoreFrom(resolve(restore));
    if (isPlan === true) return print(await run.plan(mode), (plan) => planText(plan, folder));
    print(await run.bring(mode), (plan) => resultText(plan, folder));
  });
}

async function down(folder: string, command: Command): Promise<void> {
  const { json: isJson, plan: isPlan, yes = false } = command.optsWithGlobals<Options>();
  await withFolderLock(resolve(folder), LOCK, () =>
    withRun(folder, async (run) => {
      const actions = await run.planDown();
      const plan = { actions, refusals: [], outdated: [] };
      if (isPlan || actions.length === 0) return printText(isJson ? json(plan) : planText(plan, folder));
      if (!yes) await confirm(run.site.name, planText(plan, folder));
      const done = await run.takeDown();
      if (isJson) printText(json({ ...plan, actions: done }));
    }),
  );
}

async function confirm(name: string, plan: string): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new CbError("usage", `the removal of ${name} needs a confirmation, and there is no terminal to ask`, {
      hint: "see what it deletes with --plan, and confirm with --yes",
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const cancelled = new CbError("cancelled", "nothing was deleted");
  // Ctrl-D closes the terminal; Ctrl-C only pauses it.
  terminal.once("SIGINT", () => terminal.close());
  terminal.once("close", () => process.stderr.write("\n"));
  const closed = new Promise<never>((_, reject) => {
    terminal.once("close", () => reject(cancelled));
  });
  closed.catch(() => undefined);
  try {
    const question = `${plan}\nThis deletes all builds of the site. Type its name to go on: `;
    const reply = await Promise.race([terminal.question(question), closed]);
    if (reply.trim() !== name) throw cancelled;
  } finally {
    terminal.close();
  }
}

async function withRun(folder: string, work: (run: SiteRun) => Promise<void>): Promise<void> {
  const steps = new Steps(process.stderr);
  try {
    await work(await SiteRun.open(resolve(folder), steps, interruptSignal()));
  } finally {
    steps.close();
  }
}

const json = (value: object): string => `${JSON.stringify({ v: 1, ...value }, null, 2)}\n`;
