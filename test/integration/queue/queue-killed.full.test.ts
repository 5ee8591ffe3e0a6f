/** The queue is killed before and after everything that it does in the life of a build, and started again. */
// timeout: 1500 s
import { suite } from "uvu";
import { BUILD_DEEDS, BUILDER_DEEDS, CANCEL_DEEDS, CONTEXT_DEEDS, type Deed } from "../../support/queue/kill-points.ts";
import { KilledQueue } from "../../support/queue/killed-queue.ts";
import type { KillPoint } from "../../support/queue/mortal-queue.ts";

const test = suite<{ killed: KilledQueue }>("queue killed everywhere");

test.before(async (context) => {
  context.killed = await KilledQueue.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

/** A create that may have been sent keeps its place for two minutes: the provider may still bring its machine up. */
const CREATE_CALM_MS = 150_000;

type Life = (killed: KilledQueue, point: KillPoint) => Promise<void>;

function each(deeds: Readonly<Record<string, Deed>>, life: Life): void {
  for (const [words, deed] of Object.entries(deeds)) {
    for (const when of ["before", "after"] as const) {
      test(`killed ${when} ${words}, the queue takes up where it was`, async ({ killed }) => {
        await life(killed, { ...deed, when });
      });
    }
  }
}

each(BUILD_DEEDS, (killed, point) => killed.survives(point));
each(CONTEXT_DEEDS, (killed, point) => killed.survives(point, { files: true }));
each(CANCEL_DEEDS, (killed, point) => killed.survivesCancel(point));
each(BUILDER_DEEDS, (killed, point) => killed.survives(point, { calmMs: CREATE_CALM_MS }));

test.run();
