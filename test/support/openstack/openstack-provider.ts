/** The OpenStack provider with a recorded cloud, and the machines of its recordings. */

import type { SessionOptions } from "../../../lib/provider/openstack/api/session.ts";
import { findCloud } from "../../../lib/provider/openstack/auth/find-cloud.ts";
import { OpenStackProvider } from "../../../lib/provider/openstack/provider.ts";
import type { ServerTemplateSettings } from "../../../lib/provider/openstack/server-template.ts";
import { openCloud, type SharedCloud } from "../../../lib/provider/openstack/shared-cloud.ts";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { type RecordedCloud, recorded } from "./recorded-cloud.ts";

export const TEMPLATE: ServerTemplateSettings = { flavor: "t.nano", image: "stub", networks: ["lab"] };

/** Logs in as demo; `env` overrides the OS_* variables of that login. */
export function sharedCloud(
  cloud: RecordedCloud,
  options: SessionOptions = {},
  env: Record<string, string> = {},
): SharedCloud {
  const login = { OS_USERNAME: "demo", OS_PASSWORD: "secret", OS_PROJECT_NAME: "demo", HOME: "/nonexistent" };
  return openCloud(findCloud({}, { ...login, OS_AUTH_URL: cloud.authUrl, ...env }), "site", options);
}

/** `callMs`: limit for one request. */
export function providerOn(cloud: RecordedCloud, settings: Partial<ServerTemplateSettings> = {}, callMs?: number) {
  const options = callMs === undefined ? {} : { callMs };
  return new OpenStackProvider(sharedCloud(cloud, options), { ...TEMPLATE, ...settings });
}

/** The n-th machine of the recordings. */
export function spec(n: number, userData = "{}"): BuilderSpec {
  const [builder, attempt] = [`0000000${n}-1111-4111-8111-111111111111`, `0000000${n}-2222-4222-8222-222222222222`];
  return { installation: "site", generation: "1", pool: "default", builder, attempt, userData };
}

/** The server of the recording `name`, with the metadata and tags of `machine`. */
export function serverAs(name: string, machine: BuilderSpec, changes: object = {}): object {
  const { userData: _, ...identity } = machine;
  const pairs = Object.entries(identity).map(([part, value]) => [`cb-${part}`, value] as const);
  const metadata = Object.fromEntries(pairs);
  const tags = pairs.map((pair) => pair.join("="));
  return { ...recorded(name).body.server, metadata, tags, ...changes };
}

/** A reply with a listing of these servers. */
export function listingOf(...servers: readonly object[]) {
  return { status: 200, body: { servers } };
}

/** A signal that is never aborted. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

/** The error that the promise rejects with. Throws when it resolves, or rejects with another class. */
export async function failureOf<E>(promise: Promise<unknown>, kind: new (...args: never[]) => E): Promise<E> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof kind) return error;
  throw error ?? new Error("it did not fail");
}
