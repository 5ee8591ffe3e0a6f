/** Declares the subcommands `site init`, `site check` and `site renew` of cb-admin. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { printReply } from "../../lib/cli/admin/command-session.ts";
import { GROUP_USAGE } from "../../lib/cli/program.ts";
import { CbError } from "../../lib/core/errors.ts";
import type { SiteOptions } from "./answers/site-yaml.ts";
import { checkSite } from "./check/check-site.ts";
import { checkText } from "./check/check-text.ts";
import { addCloudCommands } from "./cloud/commands.ts";
import { initSite } from "./init.ts";
import { type Renewal, renewSite } from "./renew/renew.ts";
import { renewText } from "./renew/renew-text.ts";
import { inFolder } from "./site-folder.ts";
import { type Changed, changesDocument, changesText } from "./tree/changes-text.ts";

const FOLDER = "the folder of the site";

export function addSiteCommands(program: Command): void {
  const site = program
    .command("site")
    .usage(GROUP_USAGE)
    .description("make, check and renew an installation, and its hosts in a cloud");
  site
    .command("init")
    .description("make the files of all hosts from site.yaml in the folder; the options write it or change it")
    .argument("<folder>", FOLDER)
    .option("--name <name>", "the name of the installation")
    .option("--server-name <dns-name>", "the name in the servers' certificate (default: nats.NAME.internal)")
    .option("--nats <host=address...>", "one NATS host or three")
    .option("--queue <host=address...>", "the hosts of cb-queue (default: the first NATS host)")
    .option("--operator <name...>", "the operators, each with a credential (default: operator)")
    .option("--port <port>", "the port of NATS (default: 4222)")
    .option("--host-image <file>", "the image of the hosts in the cloud")
    .option("--builder-image <file>", "the image of the builders in the cloud")
    .option("--image-version <version>", "the version of both images")
    .option("--storage <size>", "the size of the disk of each NATS host (default: 100GiB)")
    .action(async (folder: string, options: SiteOptions, command: Command) => {
      const result = await inFolder(folder, () => initSite(resolve(folder), options, Date.now()));
      printChanges(command, { ...result, folder }, changesText);
    });
  site
    .command("check")
    .description("show when each certificate and credential ends, and every fault with its remedy (exit code 78)")
    .argument("<folder>", FOLDER)
    .option("--connect", "also connect to each NATS host: certificate, credentials, JetStream, clock")
    .action(async (folder: string, { connect }: { connect?: boolean }, command: Command) => {
      const report = await inFolder(folder, () => checkSite(resolve(folder), Date.now(), { connect }));
      printReply(command, { v: 1, ...report }, checkText);
      const { length } = report.faults;
      if (length > 0) throw new CbError("config", `${folder} has ${length === 1 ? "1 fault" : `${length} faults`}`);
    });
  site
    .command("renew")
    .description("replace keys without a stop, and show the steps that bring them to the hosts")
    .argument("<folder>", FOLDER)
    .option("--certificates", "the certificates of the NATS hosts")
    .option("--signing-keys", "the keys that sign the credentials of users, builders, operators and the queue")
    .option("--queue-key", "the credential of cb-queue")
    .option("--ca", "the site's own CA: all holders trust both until --finish")
    .option("--sealing-key", "the key that users seal their secrets to: the queue opens both until --finish")
    .option(
      "--finish",
      "make NATS refuse the old signing keys and retired credentials; drop the old CA and sealing key",
    )
    .action(async (folder: string, renewal: Renewal, command: Command) => {
      const result = await inFolder(folder, () => renewSite(resolve(folder), renewal, Date.now()));
      printChanges(command, { ...result, folder }, () => renewText(result, renewal, folder));
    });
  addCloudCommands(site);
}

function printChanges(command: Command, changed: Changed, text: (changed: Changed) => string): void {
  printReply(command, changesDocument(changed), () => text(changed));
}
