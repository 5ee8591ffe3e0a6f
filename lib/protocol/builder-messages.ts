/** `builder.<id>.ask`: the requests of an agent, and the queue's replies, which are the only orders that an agent accepts. */
import * as v from "valibot";
import { leasedContext, recipeSchema } from "./build-messages.ts";
import { builderImage } from "./builder-image.ts";
import { architecture, chunkBytes, count, digest, id, jwt, line, nuid, terminal, userKey, version } from "./fields.ts";
import { sealedBox, sealingKey } from "./secret-messages.ts";

/** How the build ended, as the agent reports it. */
const buildOutcome = v.variant("kind", [
  v.object({ kind: v.literal("succeeded"), bytes: count, digest }),
  /** The recipe failed: the exit code of the build program, and the reason. */
  v.object({ kind: v.literal("failed"), exitCode: count, reason: line }),
  /** The builder failed: the queue may try another builder. */
  v.object({ kind: v.literal("broken"), reason: line }),
]);
export type BuildOutcome = v.InferOutput<typeof buildOutcome>;

/**
 * The agent always has one request outstanding; a new one replaces it. `ready`: asks for a lease. `building`: reports that the agent
 * is alive. `storing`: asks for space for an image of `bytes`. `ended`: reports the outcome. Each `ready` has the description of the
 * builder's image, because any of them may be the first that the queue receives; it is absent if the image has none. `sealingKey`:
 * the secrets of the lease are to be sealed to it; the agent makes the pair and an older one sends none.
 */
export const agentRequest = v.variant("state", [
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("ready"),
    builderImage: v.optional(builderImage),
    sealingKey: v.optional(sealingKey),
  }),
  v.object({ v: version, builder: id, publicKey: userKey, state: v.literal("building"), build: id }),
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("storing"),
    build: id,
    image: v.object({ nuid, bytes: count, chunkBytes }),
  }),
  v.object({
    v: version,
    builder: id,
    publicKey: userKey,
    state: v.literal("ended"),
    build: id,
    outcome: buildOutcome,
  }),
]);
export type AgentRequest = v.InferOutput<typeof agentRequest>;

/** A copy of a registry. The builder asks it first for base images, and the registry itself when it fails. */
const mirror = v.object({
  /** The registry, as in a recipe; `docker.io` for Docker Hub. */
  registry: line,
  /** HOST[:PORT] of the copy, as the builder reaches it. */
  host: line,
  plainHttp: v.boolean(),
});
export type Mirror = v.InferOutput<typeof mirror>;

/** The layers of the user's earlier Dockerfiles. The box of the site's logins has the login for them. */
const layers = v.object({
  /** HOST[:PORT]/PATH as the builder reaches it. */
  repository: line,
  plainHttp: v.boolean(),
  /** Use none of them, and replace them by new ones. */
  rebuild: v.optional(v.literal(true)),
});
export type Layers = v.InferOutput<typeof layers>;
/**
 * The arguments that a definition file gives to debootstrap, as apptainer passes them on. The patterns admit nothing that a shell, a
 * path or a line of a recipe could read as something else. `Include` has package names of the Debian policy, section 5.6.7, with commas
 * between them; "" for none.
 */
const PACKAGES = /^(?:[a-z0-9][a-z0-9+.-]{0,63}(?:,[a-z0-9][a-z0-9+.-]{0,63})*)?$/;

export const suite = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,31}$/, "not the name of a suite"));
export const archive = v.pipe(
  v.string(),
  v.maxLength(200),
  v.regex(
    /^https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?:\/[A-Za-z0-9_][A-Za-z0-9_.~-]*)*\/?$/,
    "not the URL of an archive",
  ),
);

export const bootstrapArguments = v.object({
  suite,
  mirror: archive,
  include: v.pipe(v.string(), v.maxLength(1000), v.regex(PACKAGES, "not a list of packages")),
});
export type BootstrapArguments = v.InferOutput<typeof bootstrapArguments>;

/** The image of a build of the queue's own, with nothing in it but what debootstrap made. */
export const bootstrapTree = v.object({
  ...bootstrapArguments.entries,
  /** The build that made it; its bucket has the image. */
  build: id,
  bytes: count,
  digest,
  madeAtMs: count,
});
export type BootstrapTree = v.InferOutput<typeof bootstrapTree>;

/** Everything that an agent needs for one build. `jwt` is for the public key in its request, and for this build alone. */
const lease = v.object({
  build: id,
  attempt: count,
  jwt,
  recipe: recipeSchema,
  /** The architecture that the image is for. Absent: the builder's own. */
  arch: v.optional(architecture),
  /** Absent: the recipe reads no file from the caller's disk. */
  context: v.optional(leasedContext),
  /** Registries of the site without TLS: HOST or HOST:PORT. */
  plainHttpRegistries: v.optional(v.array(line), []),
  /** Absent: the builder asks the registries themselves. */
  mirrors: v.optional(v.array(mirror)),
  /** Absent: the builder makes all layers of a Dockerfile anew. */
  layers: v.optional(layers),
  /** `jwt` also allows to read this tree. Absent: debootstrap runs, if the recipe has it. */
  bootstrap: v.optional(bootstrapTree),
  terminal: v.optional(terminal),
  /** Store the list of the image's chunks, too. */
  listChunks: v.optional(v.literal(true)),
  /** The user's build secrets and logins, and logins of the site, each sealed to the agent's key for this attempt. */
  secrets: v.optional(sealedBox),
  siteLogins: v.optional(sealedBox),
  limits: v.object({ buildMs: count, logBytes: count, imageBytes: count }),
});
export type Lease = v.InferOutput<typeof lease>;

/**
 * `none`: send the next request. `lease`: build this. `space-reserved`: the bucket has space for the announced image. `resize`: the
 * new size of the caller's terminal. `stop`: the build is cancelled or has ended, or the queue has no record of this builder; its
 * machine is destroyed.
 */
export const agentReply = v.variant("order", [
  v.object({ v: version, order: v.literal("none") }),
  v.object({ v: version, order: v.literal("lease"), lease }),
  v.object({ v: version, order: v.literal("space-reserved") }),
  v.object({ v: version, order: v.literal("resize"), terminal }),
  v.object({ v: version, order: v.literal("stop"), reason: line }),
]);
export type AgentReply = v.InferOutput<typeof agentReply>;
