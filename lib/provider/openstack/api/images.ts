/** The calls to glance (Image API v2) that bring an image into the cloud and remove it. */
import * as v from "valibot";
import type { JsonReply, StreamedBody } from "../../../core/http-json.ts";
import { readReply } from "./read-reply.ts";
import { refusalOf } from "./refusal.ts";
import type { CloudSession, ServiceCall } from "./session.ts";

/** glance's own limit of a page (limit_max). */
const PAGE_IMAGES = 1000;
/** Bounds an upload: 20 GiB at 6 MB/s take an hour. One that stalls ends after 300 s (headersTimeout of undici). */
const UPLOAD_MS = 3_600_000;

/** glance keeps the properties of an image beside its own fields. */
const imageSchema = v.objectWithRest(
  { id: v.string(), name: v.nullish(v.string(), ""), status: v.string(), tags: v.optional(v.array(v.string()), []) },
  v.unknown(),
);
export type Image = v.InferOutput<typeof imageSchema>;
const listing = v.object({ images: v.array(imageSchema) });

export interface NewImage {
  readonly name: string;
  readonly diskFormat: "qcow2" | "raw";
  readonly tags: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

/** Every method throws NoReplyError when there is no reply, and CbError for an unexpected one; see refusalOf. */
export class Images {
  readonly #session: CloudSession;

  constructor(session: CloudSession) {
    this.#session = session;
  }

  /** The images with this name that the project sees, in any state. */
  named(name: string, signal: AbortSignal): Promise<Image[]> {
    return this.#list({ name }, signal);
  }

  /** The images with this tag, in any state. */
  tagged(tag: string, signal: AbortSignal): Promise<Image[]> {
    return this.#list({ tag }, signal);
  }

  /** Makes the record of a private image, which then waits for its content. Resolves with its id. */
  async create({ name, diskFormat, tags, properties }: NewImage, signal: AbortSignal): Promise<string> {
    const body = {
      ...properties,
      name,
      disk_format: diskFormat,
      container_format: "bare",
      visibility: "private",
      tags,
    };
    const reply = await this.#call({ method: "POST", path: "/v2/images", body, signal });
    if (reply.status !== 201) throw refusalOf(reply, `the image ${name}`);
    return readReply(v.object({ id: v.string() }), reply, "an image").id;
  }

  /** Sends the content. The image is active when this resolves. After a failure its content is not whole: delete it. */
  async upload(id: string, stream: StreamedBody, signal: AbortSignal): Promise<void> {
    const path = `/v2/images/${encodeURIComponent(id)}/file`;
    const reply = await this.#call({ method: "PUT", path, stream, signal, limitMs: UPLOAD_MS });
    if (reply.status !== 204) throw refusalOf(reply, "the content of an image");
  }

  /** Resolves when the image is deleted, or does not exist. Throws CbError while a server needs it, where the store says so. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const reply = await this.#call({ method: "DELETE", path: `/v2/images/${encodeURIComponent(id)}`, signal });
    if (reply.status !== 204 && reply.status !== 404) throw refusalOf(reply, "the deletion of an image");
  }

  async #list(filter: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Image[]> {
    const query = new URLSearchParams({ ...filter, limit: String(PAGE_IMAGES) });
    const reply = await this.#call({ method: "GET", path: `/v2/images?${query}`, signal });
    if (reply.status !== 200) throw refusalOf(reply, "the list of images");
    return readReply(listing, reply, "a list of images").images;
  }

  #call(call: Omit<ServiceCall, "service">): Promise<JsonReply> {
    return this.#session.call({ service: "image", ...call });
  }
}
