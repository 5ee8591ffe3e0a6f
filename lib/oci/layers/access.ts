/**
 * Decides which requests a build may send to the registry of layers: those with which buildah pulls and pushes the layers of one
 * repository, each with a pattern for its whole path. No pattern has `%`, `..` or an empty part, so docker-registry gets the path as it
 * was checked and finds nothing else in it. Lists, deletions and mounts of another repository's blobs have none.
 */

export type LayersRequest = "version" | "read" | "write";

interface Route {
  readonly methods: readonly string[];
  /** Behind `/v2/REPOSITORY/`. */
  readonly path: RegExp;
  readonly query?: RegExp;
  readonly kind: LayersRequest;
}

const DIGEST = "sha256:[0-9a-f]{64}";
/** buildah's key of a layer is the tag of its image. */
const MANIFEST = new RegExp(`^manifests/(?:[0-9a-f]{64}|${DIGEST})$`);
const BLOB = new RegExp(`^blobs/${DIGEST}$`);
/** docker-registry signs the state of an upload together with its repository. */
const UPLOAD_QUERY = /^(?:(?:^|&)(?:_state=(?:[\w-]|=|%3D){1,2048}|digest=sha256(?::|%3A)[0-9a-f]{64}))+$/;

const ROUTES: readonly Route[] = [
  { methods: ["GET", "HEAD"], path: MANIFEST, kind: "read" },
  { methods: ["GET", "HEAD"], path: BLOB, kind: "read" },
  { methods: ["PUT"], path: MANIFEST, kind: "write" },
  { methods: ["POST"], path: /^blobs\/uploads\/$/, kind: "write" },
  { methods: ["PATCH", "PUT"], path: /^blobs\/uploads\/[0-9a-f-]{36}$/, query: UPLOAD_QUERY, kind: "write" },
];

/** `target`: the path and query of the request line, as they were received. Undefined: the request is refused. */
export function requestOf(method: string, target: string, repository: string): LayersRequest | undefined {
  if (target === "/v2/") return method === "GET" ? "version" : undefined;
  const prefix = `/v2/${repository}/`;
  if (!target.startsWith(prefix)) return undefined;
  const mark = target.indexOf("?");
  const path = target.slice(prefix.length, mark === -1 ? undefined : mark);
  const fits = (route: Route): boolean =>
    route.methods.includes(method) &&
    route.path.test(path) &&
    (mark === -1 || route.query?.test(target.slice(mark + 1)) === true);
  return ROUTES.find(fits)?.kind;
}
