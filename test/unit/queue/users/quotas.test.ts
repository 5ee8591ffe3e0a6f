import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { QuotasConfig } from "../../../../lib/config/quota-config.ts";
import type { CbError } from "../../../../lib/core/errors.ts";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { Quotas } from "../../../../lib/queue/users/quotas.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const test = suite("quotas");

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2026, 10, 27, 18, 30);

interface Scene {
  readonly dayBuilds?: number;
  readonly builderMs?: number;
  readonly live?: readonly Partial<BuildRecord>[];
}

function quotas(config: Partial<QuotasConfig>, { dayBuilds = 0, builderMs = 0, live = [] }: Scene = {}): Quotas {
  const builds = { all: () => live.map((one) => ({ user: "ada", state: "waiting", ...one })) as BuildRecord[] };
  const usage = { now: () => ({ dayBuilds, builderMs }) };
  return new Quotas({ config: { users: {}, ...config }, usage, builds, clock: new ManualClock(NOW) });
}

function refusal(work: () => void): CbError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as CbError;
  }
}

test("a build is refused at exactly the builds of the day: ended, waiting, running and being reserved", () => {
  const scene = {
    dayBuilds: 1,
    live: [{}, { state: "leased" as const }, { user: "grace" }, { state: "ended" as const }],
  };
  assert.is(
    refusal(() => quotas({ buildsPerDay: 5 }, scene).refuseUsedUp("ada", 1)),
    undefined,
  );
  const refused = refusal(() => quotas({ buildsPerDay: 5 }, scene).refuseUsedUp("ada", 2));
  assert.equal([refused?.kind, refused?.message], ["infrastructure", "you have used 5 of 5 builds today"]);
  assert.is(refused?.hint, "the count begins anew in 6 hours, at 2026-11-28 00:00 UTC; ask your operator for more");
});

test("a build is refused at exactly the builder hours of the month, with the time of running builds", () => {
  const live = [{ state: "leased" as const, leasedAtMs: NOW - HOUR_MS }];
  const of = (builderMs: number) => quotas({ builderHoursPerMonth: 2.5 }, { builderMs, live });
  assert.is(
    refusal(() => of(1.5 * HOUR_MS - 1).refuseUsedUp("ada", 0)),
    undefined,
  );
  const refused = refusal(() => of(1.5 * HOUR_MS).refuseUsedUp("ada", 0));
  assert.is(refused?.message, "you have used 2.5 of 2.5 builder hours this month");
  assert.match(refused?.hint ?? "", "in 78 hours, at 2026-12-01 00:00 UTC");
});

test("the entry of a user replaces each setting that it has, and no setting is no limit", () => {
  const config = {
    buildsPerDay: 5,
    builderHoursPerMonth: 1,
    users: { ada: { buildsPerDay: 0 }, eve: { buildsPerDay: undefined } },
  };
  const all = quotas(config);
  assert.equal(all.of("ada"), { builds: { used: 0, max: 0 }, builderMs: { used: 0, max: HOUR_MS } });
  assert.equal(all.of("eve"), { builderMs: { used: 0, max: HOUR_MS } });
  assert.equal(all.of("grace").builds, { used: 0, max: 5 });
  assert.equal(quotas({}).of("ada"), {});
});

test.run();
