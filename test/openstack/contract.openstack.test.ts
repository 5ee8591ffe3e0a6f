/** The contract of providers, on a real nova. Its machines run nothing, so what they print is always the same. */
// alone: the testbed's faults are everybody's
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../lib/core/errors.ts";
import type { BuilderSpec } from "../../lib/provider/provider.ts";
import { type Listings, OpenStackApi } from "../support/openstack/openstack-api.ts";
import { testbedProvider } from "../support/openstack/testbed-provider.ts";
import { untilCloud } from "../support/openstack/until-cloud.ts";
import { newSpec, observedAs, observedGone, providerContract, rejects, signal } from "../support/provider-contract.ts";
import { Box } from "./testbed/box.ts";

const INSTALLATION = "contract";
const test = suite("OpenStack as a provider");

let box: Box;
let demo: OpenStackApi;
let before: Listings;

test.before(async () => {
  box = Box.ofTests();
  demo = await OpenStackApi.login("demo");
  before = await demo.listings();
});
test.after(async () => {
  await box.setFaults([]);
  for (const { id } of await demo.servers()) if (!before.servers.includes(id)) await demo.deleteServer(id);
});

/** What stays of it in the listings; nova deletes a port, where it was just being made, after it has forgotten its server. */
async function leftovers(): Promise<string[]> {
  const nothing = async (): Promise<boolean> => (await notThereBefore()).length === 0;
  await untilCloud("nothing is left", nothing).catch(() => undefined);
  return notThereBefore();
}

/** What the listings of servers, ports and keypairs show that they did not show before. */
async function notThereBefore(): Promise<string[]> {
  const now = await demo.listings();
  const kinds = ["servers", "ports", "keypairs"] as const;
  return kinds.flatMap((kind) => now[kind].filter((id) => !before[kind].includes(id)).map((id) => `${kind}: ${id}`));
}

providerContract(test, async () => ({
  provider: testbedProvider({ installation: INSTALLATION }),
  installation: INSTALLATION,
  printAndStay: (text) => JSON.stringify({ text }),
  expectedOutput: () => "FAKE CONSOLE OUTPUT",
  exitAtOnce: "{}",
  // The name of a machine holds the first eight characters of its builder's id.
  arrangeFailure: ({ builder }: BuilderSpec) =>
    box.setFaults([{ name: builder.slice(0, 8), spawnFail: "it fell over" }]),
  leftovers,
}));

test("observe() shows nothing of another installation, and nothing that only looks like ours", async () => {
  const provider = testbedProvider({ installation: INSTALLATION });
  const other = testbedProvider({ installation: `${INSTALLATION}-2` });
  const theirs = newSpec(`${INSTALLATION}-2`, "{}");
  await other.create(theirs, signal());
  await observedAs(other, theirs.builder, "running");
  const lookAlike = await demo.createServer({ "cb-installation": INSTALLATION }, [`cb-installation=${INSTALLATION}`]);
  assert.equal((await provider.listMachines(signal())).machines, []);
  await provider.destroy(theirs.builder, signal());
  assert.is((await observedAs(other, theirs.builder, "running")).builder, theirs.builder);
  await demo.deleteServer(lookAlike);
  await other.destroy(theirs.builder, signal());
  await observedGone(other, theirs.builder);
});

test("check() tells what is used of the limits, and what a wrong login leads to", async () => {
  assert.match(
    await testbedProvider({ installation: INSTALLATION }).check(signal()),
    /^\d+ (?:of \d+ )?instances.*ports/,
  );
  const nova = testbedProvider({ installation: INSTALLATION, authUrl: "http://127.0.0.1:8774" });
  const error = await rejects(nova.check(signal()));
  assert.instance(error, CbError);
  assert.match((error as CbError).message, "no Keystone v3 at auth_url http://127.0.0.1:8774/v3");
});

test.run();
