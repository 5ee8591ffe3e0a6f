/**
 * Builders as servers of an OpenStack cloud: nova makes them from an image of glance, on networks of neutron, for a
 * login of keystone. What each fault of the cloud leads to is in docs/openstack.md, as a table.
 */
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { isId } from "../../protocol/ids.ts";
import { checkSpec } from "../check-spec.ts";
import type { BuilderSpec, MachineListing, Provider } from "../provider.ts";
import { RefusedError } from "../provider.ts";
import { faultText } from "./api/fault-text.ts";
import { type HttpReply, NoReplyError } from "./api/http.ts";
import { refusalOf } from "./api/refusal.ts";
import { type OwnServer, ownServer } from "./api/server.ts";
import { limitsText, reached } from "./limits.ts";
import { metadataOf, tagOf, tagsOf } from "./marks.ts";
import { type ServerTemplate, type ServerTemplateSettings, serverTemplateFor } from "./server-template.ts";
import type { Site } from "./site.ts";

/** A create and this fit into the time that the pool gives to the two together. */
const LOOK_UP_MS = 8_000;
/** Names are asked for again after this time: an image may have been uploaded anew under its name. */
const SHAPE_KEPT_MS = 5 * 60_000;
/** A line of a console is rarely shorter; what is too much is cut. */
const LINE_BYTES = 20;

const createdSchema = v.object({ server: v.object({ id: v.string() }) });

export class OpenStackProvider implements Provider {
  readonly #site: Site;
  readonly #settings: ServerTemplateSettings;
  #shape: { readonly shape: ServerTemplate; readonly atMs: number } | undefined;

  constructor(site: Site, settings: ServerTemplateSettings) {
    this.#site = site;
    this.#settings = settings;
  }

  async listMachines(signal: AbortSignal): Promise<MachineListing> {
    signal.throwIfAborted();
    const { servers, problem, startedAtMs } = await this.#site.listing.look();
    const machines = servers.map(({ machine }) => machine);
    return { machines, complete: problem === undefined, ...(problem !== undefined && { problem }), startedAtMs };
  }

  async create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { attempts } = this.#site;
    const earlier = attempts.get(spec.builder);
    if (earlier === undefined) return await attempts.add(spec, () => this.#make(spec, signal));
    if (earlier.attempt !== spec.attempt) {
      throw new CbError("infrastructure", `builder ${spec.builder} exists already, from another attempt`);
    }
    await earlier.sent.catch((error: unknown) => this.#lookUp(spec, messageOf(error), signal));
  }

  async destroy(builder: string, signal: AbortSignal): Promise<void> {
    const { compute, listing } = this.#site;
    for (const { id, softDeleted } of await this.#serversOf(builder, signal)) {
      if (softDeleted) await compute.deleteForGood(id, signal);
      else await compute.delete(id, signal);
      listing.going(id);
    }
  }

  async consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const [server] = await this.#serversOf(builder, signal);
    if (server === undefined) return new Uint8Array();
    const printed = await this.#site.compute.console(server.id, Math.ceil(maxBytes / LINE_BYTES), signal);
    return Buffer.from(printed).subarray(-maxBytes);
  }

  async check(signal: AbortSignal): Promise<string> {
    await this.#shapeNow(signal);
    return limitsText(await this.#site.limits.read(signal));
  }

  async #shapeNow(signal: AbortSignal): Promise<ServerTemplate> {
    const kept = this.#shape;
    if (kept !== undefined && performance.now() - kept.atMs < SHAPE_KEPT_MS) return kept.shape;
    const shape = await serverTemplateFor(this.#settings, this.#site.things, signal);
    this.#shape = { shape, atMs: performance.now() };
    return shape;
  }

  /** One request to nova. Where it is not known what came of it, the machine is looked for before anybody is told. */
  async #make(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { compute, listing } = this.#site;
    const body = await this.#requestOf(spec, signal);
    let doubt: string;
    try {
      const answer = await compute.create(body, signal);
      if (answer.status === 202) return this.#made(answer);
      if (answer.status < 500) throw await this.#explained(refusalOf(answer, "this machine"), signal);
      doubt = `nova answers ${answer.status}: ${faultText(answer)}`;
    } catch (error) {
      // What was there a moment ago may have been deleted.
      this.#shape = undefined;
      if (!(error instanceof NoReplyError && error.sent)) throw signal.aborted ? error : asRefusal(error);
      doubt = error.message;
    } finally {
      listing.changed();
    }
    await this.#lookUp(spec, doubt, signal);
  }

  /** One whose id cannot be read is made all the same: a listing will show it. */
  #made({ body }: HttpReply): void {
    const created = v.safeParse(createdSchema, body);
    if (created.success) this.#site.listing.made(created.output.server.id);
  }

  /** Whatever fails here is a refusal: nobody was asked for a machine yet. */
  async #requestOf(spec: BuilderSpec, signal: AbortSignal): Promise<object> {
    try {
      checkSpec(spec, this.#site.installation);
      return requestOf(spec, await this.#shapeNow(signal));
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** Where the words of a quota have no numbers in them, the limits that are reached have. */
  async #explained(refusal: CbError, signal: AbortSignal): Promise<CbError> {
    if (!(refusal instanceof RefusedError) || refusal.limit !== "quota" || /\d/.test(refusal.message)) return refusal;
    const limits = await this.#site.limits.read(signal).catch(() => []);
    const text = limitsText(reached(limits));
    return text === "" ? refusal : new RefusedError(refusal.kind, `quota, ${text}`, { limit: "quota" });
  }

  /** Throws CbError "infrastructure" where nova does not list a machine of this attempt: one may still appear. */
  async #lookUp({ installation, attempt }: BuilderSpec, doubt: string, signal: AbortSignal): Promise<void> {
    const tags = [tagOf("installation", installation), tagOf("attempt", attempt)];
    const found = await this.#site.compute.servers(tags, signal, LOOK_UP_MS).catch((cause: unknown) => {
      // A refusal to look is no refusal to make.
      throw new CbError("infrastructure", `${doubt}; and it cannot be looked for: ${messageOf(cause)}`, { cause });
    });
    for (const { id } of found) this.#site.listing.made(id);
    if (found.length > 0) return;
    throw new CbError("infrastructure", `${doubt}; no machine of this attempt is listed so far`);
  }

  /** One as a rule. None: it is gone, or never was. */
  async #serversOf(builder: string, signal: AbortSignal): Promise<readonly OwnServer[]> {
    if (!isId(builder)) throw new CbError("config", `not a builder id: ${builder}`);
    const { compute, installation, listing } = this.#site;
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

/** The body of POST /servers. Throws CbError "config" where nova would not take a tag. */
function requestOf(spec: BuilderSpec, { server, hints }: ServerTemplate): object {
  const own = {
    name: `cb-${spec.pool}-${spec.builder.slice(0, 8)}`,
    metadata: metadataOf(spec),
    tags: tagsOf(spec),
    config_drive: true,
    user_data: Buffer.from(spec.userData).toString("base64"),
  };
  return { server: { ...server, ...own }, ...(hints && { "os:scheduler_hints": hints }) };
}
