import { suite } from "uvu";
import * as assert from "uvu/assert";
import { statusText } from "../../../../lib/cli/text/status-text.ts";
import type { BuilderStatus, StatusReply } from "../../../../lib/protocol/status-messages.ts";

const test = suite("status text");

const builder = (id: string, state: BuilderStatus["state"]): BuilderStatus => ({
  id,
  host: `host-${id}`,
  state,
  sinceMs: 0,
  reason: "",
});
const reply = (...builders: BuilderStatus[]): StatusReply => ({
  v: 1,
  pools: [{ name: "p", arch: "x86_64", reserve: { target: 2, ready: 1, max: 4 }, reason: "", builders, images: [] }],
  builds: { waiting: 0, running: 1 },
  quota: {},
  faults: [],
  warnings: [],
});

test("statusText() has the format that scripts parse: leased builders are active, ready ones in reserve", () => {
  const text = statusText(reply(builder("b", "ready"), builder("a", "leased"), builder("c", "booting")));
  assert.is(
    text,
    `-------------
Active builders
-------------

ID: a
HOST: host-a
PORT: -
-------------

-------------
Reserve builders
-------------

ID: b
HOST: host-b
PORT: -
-------------`,
  );
});

test("statusText() keeps both headings when there are no builders", () => {
  assert.is(
    statusText(reply()),
    "-------------\nActive builders\n-------------\n\n\n-------------\nReserve builders\n-------------\n",
  );
});

test("statusText() ends with one line for each builder image of a pool", () => {
  const image = (id: string) => ({ id, versions: [{ name: "apptainer", version: "1.4.5-2" }], builders: 1 });
  const { pools, ...rest } = reply();
  const text = statusText({ ...rest, pools: pools.map((pool) => ({ ...pool, images: [image("new"), image("old")] })) });
  assert.match(text, /\n\n-+\nBuilder images\n-+\n\np: new: apptainer 1\.4\.5-2\np: old: apptainer 1\.4\.5-2$/);
});

test("statusText() names the drained pools with the reason", () => {
  const { pools, ...rest } = reply();
  const drained = "pool p is drained: the cloud is repaired";
  const text = statusText({ ...rest, pools: pools.map((pool) => ({ ...pool, drained })) });
  assert.match(text, `\n-------------\nDrained pools\n-------------\n\n${drained}`);
  assert.not.match(statusText(reply()), "Drained");
});

test("statusText() shows what the user has used of the quotas, with one decimal of an hour", () => {
  const quota = { builds: { used: 3, max: 20 }, builderMs: { used: 5_400_000, max: 36_000_000 } };
  const text = statusText({ ...reply(), quota });
  assert.match(text, "\nYour quota\n-------------\n\n3 of 20 builds today, 1.5 of 10 builder hours this month");
  assert.not.match(statusText(reply()), "quota");
});

test.run();
