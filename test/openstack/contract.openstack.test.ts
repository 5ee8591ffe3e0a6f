/** The provider contract with a real nova. The machines run nothing, so their console output is always the same. */
// alone: all files share one testbed, and its faults
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

/** The leftovers of a destroyed machine. Waits, because nova may delete a port that was being created after its server. */
async function leftovers(): Promise<string[]> {
  const isClean = async (): Promise<boolean> => (await newResources()).length === 0;
  await untilCloud("nothing is left", isClean).catch(() => undefined);
  return newResources();
}

/** The servers, ports and keypairs that were created since the start of the tests. */
async function newResources(): Promise<string[]> {
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
    box.setFaults([{ name: builder.slice(0, 8), spawnFail: "simulated failure" }]),
  leftovers,
}));

test("listMachines() omits servers of another installation, and servers with an incomplete identity", async () => {
  const provider = testbedProvider({ installation: INSTALLATION });
  const other = testbedProvider({ installation: `${INSTALLATION}-2` });
  const otherSpec = newSpec(`${INSTALLATION}-2`, "{}");
  await other.create(otherSpec, signal());
  await observedAs(other, otherSpec.builder, "running");
  const incomplete = await demo.createServer({ "cb-installation": INSTALLATION }, [`cb-installation=${INSTALLATION}`]);
  assert.equal((await provider.listMachines(signal())).machines, []);
  await provider.destroy(otherSpec.builder, signal());
  assert.is((await observedAs(other, otherSpec.builder, "running")).builder, otherSpec.builder);
  await demo.deleteServer(incomplete);
  await other.destroy(otherSpec.builder, signal());
  await observedGone(other, otherSpec.builder);
});

test("check() resolves with the used limits, and throws for a wrong auth_url", async () => {
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
