/** Declares the subcommands `builder-image rootfs`, `machine` and `disk` of cb-admin. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { refuseJson } from "../../../lib/cli/admin/command-session.ts";
import { interruptSignal } from "../../../lib/cli/interrupt.ts";
import { GROUP_USAGE } from "../../../lib/cli/program.ts";
import { AGENT_FILE } from "../../../lib/provider/sandbox/scripts.ts";
import { makeDisk } from "./disk.ts";
import { makeFolder } from "./folder.ts";

const UPDATE = "make it again from the mirror's present packages";

interface Options {
  readonly update?: boolean;
}

export function addBuilderImageCommands(program: Command): void {
  const image = program
    .command("builder-image")
    .usage(GROUP_USAGE)
    .description("make the images that builders start from; needs a Debian mirror, and root or subordinate ids");
  const subcommand = (name: string, description: string) =>
    image
      .command(name)
      .description(description)
      .addOption(new Option("--update", UPDATE))
      .hook("preAction", (_program, command) => refuseJson(command));
  const signal = interruptSignal;
  subcommand("rootfs", "make the root file system of sandboxes; root makes it for the owner of the folder above")
    .argument("<folder>", '"rootfs" of a pool with the provider sandbox, such as /var/lib/cb-queue/rootfs')
    .action((folder: string, { update = false }: Options) =>
      makeFolder({ folder: resolve(folder), purpose: "builder", update, signal: signal() }),
    );
  subcommand("machine", "make the root file system that runs QEMU, as rootfs does")
    .argument("<folder>", '"rootfs" of a pool with the provider qemu')
    .action((folder: string, { update = false }: Options) =>
      makeFolder({ folder: resolve(folder), purpose: "machine", update, signal: signal() }),
    );
  subcommand("disk", "make the disk image of machines, for OpenStack or QEMU")
    .argument("<file>", "FILE.qcow2 for an image service, or FILE.raw")
    .action((file: string, { update = false }: Options) =>
      makeDisk({ file: resolve(file), agentFile: AGENT_FILE, update, signal: signal() }),
    );
}
