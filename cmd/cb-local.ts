/** cb-local: runs the whole system on one machine, for the quick start, for tests and for a workstation. */
import { Option } from "commander";
import type { BuilderKind } from "../infra/local/builders.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { createCommand, runSubcommand } from "../lib/cli/program.ts";
import { printText } from "../lib/cli/standard-output.ts";

const printError = (line: string): void => void process.stderr.write(`${line}\n`);

// The actions are imported when they run, so that --help stays quick.
function command() {
  const program = createCommand({
    name: "cb-local",
    summary: "Run NATS, the queue and its builders on this machine.",
    examples: {
      "cb-local quickstart": "start everything and build a first image",
      "cb-local up --provider qemu": "start with virtual machines as builders",
      "cb-local status": "show what runs",
      "cb-local down": "stop everything",
    },
    variables: ["XDG_STATE_HOME", "XDG_CACHE_HOME", "NATS_SERVER", "CB_MIRROR", "CB_SECURITY_MIRROR", "HOME", "PATH"],
    files: ["~/.local/state/container-builder/local", "~/.cache/container-builder"],
    failures: ["recipe", "usage", "unreachable", "bug", "output", "infrastructure", "denied", "config", "cancelled"],
  });
  program
    .command("up")
    .description("start NATS, the queue and its builders")
    .addOption(
      new Option("--provider <kind>", "the builders: sandboxes (default) or virtual machines").choices([
        "sandbox",
        "qemu",
      ]),
    )
    .option("--registry <address...>", "keep copies of the base images of these registries (default: docker.io)")
    .option("--no-registry", "keep no copies")
    .action(async ({ provider, registry }: { provider?: BuilderKind; registry?: string[] | false }) => {
      const { up } = await import("../infra/local/up.ts");
      await up(printError, interruptSignal(), { kind: provider, registries: registry });
    });
  program
    .command("down")
    .description("stop all of it")
    .action(async () => (await import("../infra/local/down.ts")).down(printError));
  program
    .command("status")
    .description("show what runs")
    .option("--json", "print it as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { localStatus, localStatusText } = await import("../infra/local/status.ts");
      const status = await localStatus();
      printText(json ? `${JSON.stringify(status, null, 2)}\n` : localStatusText(status));
    });
  program
    .command("quickstart")
    .description("up, and a first build")
    .action(async () => (await import("../infra/local/quickstart.ts")).quickstart(printError));
  return program;
}

await main("cb-local", async (argv) => {
  await runSubcommand(command(), argv);
  return 0;
});
