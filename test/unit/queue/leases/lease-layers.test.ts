import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NO_BOOTSTRAPS } from "../../../../lib/config/bootstraps-config.ts";
import type { BuildLimits } from "../../../../lib/config/queue-config.ts";
import { systemClock } from "../../../../lib/core/clock.ts";
import { createSealingKey, open } from "../../../../lib/core/sealed-box.ts";
import { Issuer } from "../../../../lib/nats/credentials/issuer.ts";
import { createKey, isSignedBy } from "../../../../lib/nats/credentials/nkey.ts";
import { grantIn, layersRepository } from "../../../../lib/oci/layers/token.ts";
import type { Lease } from "../../../../lib/protocol/builder-messages.ts";
import { siteLoginsForBuilder } from "../../../../lib/protocol/secret-messages.ts";
import { BootstrapTrees } from "../../../../lib/queue/bootstraps/trees.ts";
import { BuildCredentials, OUTAGE_MS } from "../../../../lib/queue/builds/build-credentials.ts";
import type { BuildRecord } from "../../../../lib/queue/builds/record.ts";
import { LeaseMessages } from "../../../../lib/queue/leases/lease-messages.ts";
import { LeaseSecrets } from "../../../../lib/queue/leases/lease-secrets.ts";

const test = suite("layers of a lease");

const NOW_MS = 1_000_000;
const BUILD_MS = 3_600_000;
const limits = { buildMs: BUILD_MS, waitMs: 0, logBytes: 1, imageBytes: 1 } as BuildLimits;
const signingKey = createKey("account");
const nowMs = () => NOW_MS;
const issuer = new Issuer({ guestAccount: createKey("account").publicKey, signingKey, nowMs });
const agent = { publicKey: createKey("user").publicKey, key: createSealingKey() };
const record: BuildRecord = {
  v: 1,
  build: "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b",
  user: "ada",
  name: "",
  request: "60c95481-92f3-4491-94d3-14c45bfbc279",
  backend: "docker",
  pool: "p",
  state: "leased",
  createdAtMs: 0,
  attempt: 1,
  builder: "0f0e0d0c-0b0a-4908-8706-050403020100",
};
const recipe = { backend: "docker", text: "FROM debian\n" } as const;
const host = "cache.example:5010";

function lease(change: Partial<BuildRecord> = {}, layers?: { host: string; plainHttp: boolean }, hasKey = true): Lease {
  const messages = new LeaseMessages({
    credentials: new BuildCredentials({ issuer, limits, clock: { ...systemClock, nowMs } }),
    secrets: new LeaseSecrets(),
    trees: new BootstrapTrees({ builds: { all: () => [] }, config: NO_BOOTSTRAPS, clock: systemClock }),
    poolKinds: [{ name: "p", arch: "x86_64", layers }],
    plainHttpRegistries: [],
    compression: "default",
    limits,
  });
  const keys = { publicKey: agent.publicKey, ...(hasKey ? { sealingKey: agent.key.publicKey } : {}) };
  const made = messages.create({ ...record, ...change }, { recipe, rebuildLayers: true }, keys);
  if (made === undefined) throw new Error("no lease");
  return made;
}

test("the lease of a Dockerfile names the user's repository, and its token is sealed to the agent", () => {
  const { layers, siteLogins, ...rest } = lease({}, { host, plainHttp: false });
  const repository = `${host}/${layersRepository({ user: "ada", arch: "x86_64" })}`;
  assert.equal(layers, { repository, plainHttp: false, rebuild: true });
  if (siteLogins === undefined) throw new Error("no login");
  const { build, attempt, builder = "" } = record;
  const content = JSON.parse(open(siteLogins, agent.key, siteLoginsForBuilder({ build, attempt, builder })).toString());
  const [login] = content.logins;
  assert.is(login.registry, repository);
  const isSigned = (data: Uint8Array, signature: Uint8Array) => isSignedBy(signingKey.publicKey, data, signature);
  const expiresAtMs = NOW_MS + BUILD_MS + OUTAGE_MS;
  assert.equal(grantIn(login.password, { isSigned, nowMs: NOW_MS }), {
    v: 1,
    user: "ada",
    arch: "x86_64",
    build,
    expiresAtMs,
  });
  assert.not.match(JSON.stringify({ layers, siteLogins, ...rest }), login.password);
});

test("a definition file, a pool without layers and an agent without a key get none", () => {
  const none = [
    lease({ backend: "singularity" }, { host, plainHttp: false }),
    lease(),
    lease({}, { host, plainHttp: false }, false),
  ];
  for (const { layers, siteLogins } of none) assert.equal([layers, siteLogins], [undefined, undefined]);
});

test.run();
