/** The OpenStack provider on a recorded cloud, and machines as its recordings have them. */

import type { SessionOptions } from "../../../lib/provider/openstack/api/session.ts";
import { findCloud } from "../../../lib/provider/openstack/auth/find-cloud.ts";
import { OpenStackProvider } from "../../../lib/provider/openstack/provider.ts";
import type { ServerTemplateSettings } from "../../../lib/provider/openstack/server-template.ts";
import { type Site, siteOn } from "../../../lib/provider/openstack/site.ts";
import type { BuilderSpec } from "../../../lib/provider/provider.ts";
import { type RecordedCloud, recorded } from "./recorded-cloud.ts";

export const SHAPE: ServerTemplateSettings = { flavor: "t.nano", image: "stub", networks: ["lab"] };

/** With a login as demo, which `env` may change. */
export function siteFor(cloud: RecordedCloud, options: SessionOptions = {}, env: Record<string, string> = {}): Site {
  const login = { OS_USERNAME: "demo", OS_PASSWORD: "secret", OS_PROJECT_NAME: "demo", HOME: "/nonexistent" };
  return siteOn(findCloud({}, { ...login, OS_AUTH_URL: cloud.authUrl, ...env }), "site", options);
}

/** `callMs`: patience with one request. */
export function providerOn(cloud: RecordedCloud, settings: Partial<ServerTemplateSettings> = {}, callMs?: number) {
  const options = callMs === undefined ? {} : { callMs };
  return new OpenStackProvider(siteFor(cloud, options), { ...SHAPE, ...settings });
}

/** The n-th of the machines that were there when the cloud was recorded. */
export function spec(n: number, userData = "{}"): BuilderSpec {
  const [builder, attempt] = [`0000000${n}-1111-4111-8111-111111111111`, `0000000${n}-2222-4222-8222-222222222222`];
  return { installation: "site", generation: "1", pool: "default", builder, attempt, userData };
}

interface Marked {
  readonly metadata: Record<string, string>;
  readonly tags: readonly string[];
}

/** The server of the recording `name`, with the marks of that machine. */
export function serverAs(name: string, machine: BuilderSpec, changes: object = {}): object {
  const { userData: _, ...identity } = machine;
  const marks = Object.entries(identity).map(([part, value]) => [`cb-${part}`, value] as const);
  const marked: Marked = { metadata: Object.fromEntries(marks), tags: marks.map((pair) => pair.join("=")) };
  return { ...recorded(name).body.server, ...marked, ...changes };
}

/** A listing of just those. */
export function listingOf(...servers: readonly object[]) {
  return { status: 200, body: { servers } };
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** What it rejects with. */
export async function failureOf<E>(promise: Promise<unknown>, kind: new (...args: never[]) => E): Promise<E> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof kind) return error;
  throw error ?? new Error("it did not fail");
}
