/** cb-images: the base images that the site's registries have. */
import { Command } from "commander";
import { main } from "../lib/cli/main.ts";
import { parse } from "../lib/cli/parse.ts";
import { Session } from "../lib/cli/session.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { imagesNotes, imagesText } from "../lib/cli/text/images-text.ts";
import { CbError } from "../lib/core/errors.ts";
import { builds, images } from "../lib/protocol/requests.ts";

/** The queue asks the registries first, for at most 20 s. */
const REPLY_MS = 30_000;

await main("cb-images", async (argv) => {
  const command = new Command("cb-images")
    .description("Show the base images of the configured registries.")
    .option("--json", "everything the queue tells, as JSON")
    .option("--debug", "say more when something fails");
  const { json } = parse<{ json?: boolean }>(command, argv).options;
  // As in cb-status: the steps belong to the output that scripts know, and JSON is for programs.
  const steps = new Steps(json ? process.stderr : process.stdout);
  const session = await Session.open("cb-images", {}, steps);
  steps.begin("Requesting image list");
  // The shortest question there is: nobody waits half a minute for a queue that is not there.
  await session.ask(builds, { v: 1 });
  const reply = await session.ask(images, { v: 1 }, REPLY_MS);
  steps.done("Fetched");
  await session.close();
  process.stdout.write(json ? `${JSON.stringify(reply, null, 2)}\n` : imagesText(reply));
  for (const note of imagesNotes(reply)) process.stderr.write(`cb-images: ${note}\n`);
  const failed = reply.registries.filter(({ error }) => error !== undefined);
  if (failed.length > 0 && failed.length === reply.registries.length) {
    throw new CbError("infrastructure", "no registry answered", { hint: "try again; if it stays, tell your operator" });
  }
  return 0;
});
