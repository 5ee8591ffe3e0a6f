/** cb-images: lists the base images in the site's registries. */
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { Session } from "../lib/cli/session.ts";
import { isDumbTerminal, printText, standardOutput } from "../lib/cli/standard-output.ts";
import { Steps } from "../lib/cli/terminal.ts";
import { imagesNotes, imagesText } from "../lib/cli/text/images-text.ts";
import { CbError } from "../lib/core/errors.ts";
import { builds, images } from "../lib/protocol/requests.ts";

/** The queue first queries the registries, for at most 20 s. */
const REPLY_MS = 30_000;

const command = () =>
  createCommand({
    name: "cb-images",
    summary: "List the base images in the configured registries.",
    examples: { "cb-images": "repositories and tags", "cb-images --json": "all details, for scripts" },
    variables: CLIENT_VARIABLES,
    failures: CONNECTED_FAILURES,
  }).option("--json", "print the queue's whole reply as JSON");

await main("cb-images", async (argv) => {
  const { json } = parse<{ json?: boolean }>(command(), argv).options;
  // As in cb-status, the steps are part of the output that scripts parse. With --json, standard output has JSON only.
  const steps = new Steps(json ? process.stderr : standardOutput, { plain: isDumbTerminal() });
  const session = await Session.open("cb-images", steps);
  steps.begin("Requesting image list");
  // A quick request first, so that an absent queue is reported within five seconds and not after REPLY_MS.
  await session.request(builds, { v: 1 });
  const reply = await session.request(images, { v: 1 }, REPLY_MS);
  steps.complete("Fetched");
  await session.close();
  printText(json ? `${JSON.stringify(reply, null, 2)}\n` : imagesText(reply));
  for (const note of imagesNotes(reply)) process.stderr.write(`cb-images: ${note}\n`);
  const failed = reply.registries.filter(({ error }) => error !== undefined);
  if (failed.length > 0 && failed.length === reply.registries.length) {
    throw new CbError("infrastructure", "no registry answered", {
      hint: "try again later; if it still fails, ask your operator",
    });
  }
  return 0;
});
