/**
 * Creates builders as servers of an OpenStack cloud: nova creates them from an image of glance, on networks of neutron, with a
 * login to keystone. docs/openstack.md has a table of the cloud's faults and the provider's reaction to each.
 */
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import type { JsonReply } from "../../core/http-json.ts";
import { isId } from "../../protocol/ids.ts";
import { checkSpec } from "../check-spec.ts";
import type { BuilderSpec, MachineListing, Provider, ProviderLimit } from "../provider.ts";
import { RefusedError } from "../provider.ts";
import { faultText } from "./api/fault-text.ts";
import { NoReplyError } from "./api/http.ts";
import { exhaustedLimits, limitsText } from "./api/limits.ts";
import { refusalOf } from "./api/refusal.ts";
import { metadataOf, tagOf, tagsOf } from "./identity-tags.ts";
import { type OwnServer, ownServer } from "./own-server.ts";
import { type ServerTemplate, type ServerTemplateSettings, serverTemplateFor } from "./server-template.ts";
import type { SharedCloud } from "./shared-cloud.ts";

/** Limit for the lookup after a create without a clear reply. The two together fit into the pool's limit for a create. */
const LOOK_UP_MS = 8_000;
/** Names are resolved again after this time, because a new image may have been uploaded under the same name. */
const TEMPLATE_MAX_AGE_MS = 5 * 60_000;
/** Console lines are rarely shorter. A few lines too many are requested, and the text is then truncated. */
const CONSOLE_LINE_BYTES = 20;

const createdSchema = v.object({ server: v.object({ id: v.string() }) });

export class OpenStackProvider implements Provider {
  readonly #cloud: SharedCloud;
  readonly #settings: ServerTemplateSettings;
  #cached: { readonly template: ServerTemplate; readonly resolvedAtMs: number } | undefined;

  constructor(cloud: SharedCloud, settings: ServerTemplateSettings) {
    this.#cloud = cloud;
    this.#settings = settings;
  }

  async listMachines(signal: AbortSignal): Promise<MachineListing> {
    signal.throwIfAborted();
    const { servers, problem, startedAtMs } = await this.#cloud.listing.list();
    const machines = servers.map(({ machine }) => machine);
    return { machines, complete: problem === undefined, ...(problem !== undefined && { problem }), startedAtMs };
  }

  async create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { attempts } = this.#cloud;
    const earlier = attempts.get(spec.builder);
    if (earlier === undefined) return await attempts.add(spec, () => this.#send(spec, signal));
    if (earlier.attempt !== spec.attempt) {
      throw new CbError("infrastructure", `builder ${spec.builder} exists already, from another attempt`);
    }
    await earlier.sent.catch((error: unknown) => this.#lookUp(spec, messageOf(error), signal));
  }

  async destroy(builder: string, signal: AbortSignal): Promise<void> {
    const { compute, listing } = this.#cloud;
    for (const { id, softDeleted } of await this.#serversOf(builder, signal)) {
      if (softDeleted) await compute.forceDelete(id, signal);
      else await compute.delete(id, signal);
      listing.deleted(id);
    }
  }

  async consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const [server] = await this.#serversOf(builder, signal);
    if (server === undefined) return new Uint8Array();
    const output = await this.#cloud.compute.console(server.id, Math.ceil(maxBytes / CONSOLE_LINE_BYTES), signal);
    return Buffer.from(output).subarray(-maxBytes);
  }

  async check(signal: AbortSignal): Promise<string> {
    await this.#template(signal);
    return limitsText(await this.#cloud.limits.read(signal));
  }

  limits(signal: AbortSignal): Promise<readonly ProviderLimit[]> {
    return this.#cloud.limits.read(signal);
  }

  async #template(signal: AbortSignal): Promise<ServerTemplate> {
    const cached = this.#cached;
    if (cached !== undefined && performance.now() - cached.resolvedAtMs < TEMPLATE_MAX_AGE_MS) return cached.template;
    const template = await serverTemplateFor(this.#settings, this.#cloud.resources, signal);
    this.#cached = { template, resolvedAtMs: performance.now() };
    return template;
  }

  /** Sends one create to nova. When the reply leaves open whether a machine was created, looks the machine up. */
  async #send(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { compute, listing } = this.#cloud;
    const body = await this.#requestBody(spec, signal);
    let doubt: string;
    try {
      const reply = await compute.create(body, signal);
      if (reply.status === 202) return this.#recordCreated(reply);
      if (reply.status < 500) throw await this.#withLimits(refusalOf(reply, "this machine"), signal);
      doubt = `nova replies with status ${reply.status}: ${faultText(reply)}`;
    } catch (error) {
      // A resource of the template may have been deleted since it was resolved.
      this.#cached = undefined;
      if (!(error instanceof NoReplyError && error.maybeSent)) throw signal.aborted ? error : asRefusal(error);
      doubt = error.message;
    } finally {
      listing.invalidate();
    }
    await this.#lookUp(spec, doubt, signal);
  }

  /** The machine is created even if the reply has no readable id; then a listing shows it later. */
  #recordCreated({ body }: JsonReply): void {
    const created = v.safeParse(createdSchema, body);
    if (created.success) this.#cloud.listing.created(created.output.server.id);
  }

  /** Every failure here is a refusal, because no create has been sent yet. */
  async #requestBody(spec: BuilderSpec, signal: AbortSignal): Promise<object> {
    try {
      checkSpec(spec, this.#cloud.installation);
      return requestBody(spec, await this.#template(signal));
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** When nova's message about a quota has no numbers, replaces it by the limits that are exhausted. */
  async #withLimits(refusal: CbError, signal: AbortSignal): Promise<CbError> {
    if (!(refusal instanceof RefusedError) || refusal.limit !== "quota" || /\d/.test(refusal.message)) return refusal;
    const limits = await this.#cloud.limits.read(signal).catch(() => []);
    const text = limitsText(exhaustedLimits(limits));
    return text === "" ? refusal : new RefusedError(refusal.kind, `quota, ${text}`, { limit: "quota" });
  }

  /** Throws CbError "infrastructure" when nova does not list a machine of this attempt: one may still appear. */
  async #lookUp({ installation, attempt }: BuilderSpec, doubt: string, signal: AbortSignal): Promise<void> {
    const tags = [tagOf("installation", installation), tagOf("attempt", attempt)];
    const found = await this.#cloud.compute.servers(tags, signal, LOOK_UP_MS).catch((cause: unknown) => {
      // A failed lookup does not tell whether the create was accepted, so this must not become a RefusedError.
      throw new CbError("infrastructure", `${doubt}; and the lookup failed: ${messageOf(cause)}`, { cause });
    });
    for (const { id } of found) this.#cloud.listing.created(id);
    if (found.length > 0) return;
    throw new CbError("infrastructure", `${doubt}; no machine of this attempt is listed yet`);
  }

  /** Usually one. Empty when the server is deleted or was never created. */
  async #serversOf(builder: string, signal: AbortSignal): Promise<readonly OwnServer[]> {
    if (!isId(builder)) throw new CbError("config", `not a builder id: ${builder}`);
    const { compute, installation, listing } = this.#cloud;
    const listed = listing.find(builder);
    if (listed !== undefined) return [listed];
    const tags = [tagOf("installation", installation), tagOf("builder", builder)];
    const found = await compute.servers(tags, signal);
    return found.flatMap((server) => ownServer(server, installation) ?? []);
  }
}

function asRefusal(error: unknown): unknown {
  if (!(error instanceof CbError) || error instanceof RefusedError) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new RefusedError(error.kind, error.message, { ...hint, cause: error.cause });
}

/** The body of POST /servers. Throws CbError "config" when nova would not accept a tag. */
function requestBody(spec: BuilderSpec, { server, hints }: ServerTemplate): object {
  const perMachine = {
    name: `cb-${spec.pool}-${spec.builder.slice(0, 8)}`,
    metadata: metadataOf(spec),
    tags: tagsOf(spec),
    config_drive: true,
    user_data: Buffer.from(spec.userData).toString("base64"),
  };
  return { server: { ...server, ...perMachine }, ...(hints && { "os:scheduler_hints": hints }) };
}
