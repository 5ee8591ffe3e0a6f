/** The schema of the section `cloud` of site.yaml: the machines that `cb-admin site up` makes on OpenStack. */
import { isIP } from "node:net";
import * as v from "valibot";

/** A name or an id in the cloud. */
const resource = v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,255}$/u, "must be a name or an id"));
const file = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));

/** The file of an image on this machine. Another content needs another version. */
const image = v.strictObject({
  file: v.pipe(file, v.regex(/\.(qcow2|raw)$/, "must end with .qcow2 or .raw")),
  /** A part of the image's name in the cloud. */
  version: v.pipe(
    v.string("must be a text; put it in quotes"),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be 1 to 64 of letters, digits, dots, - and _"),
  ),
});

/** The addresses that a rule of a security group lets in. neutron keeps the text, so one prefix has one spelling. */
const prefix = v.pipe(
  v.string(),
  v.check((text) => isPrefix(text), "must be a prefix such as 10.0.0.0/8, with zeroes behind its length"),
);

export const cloudSchema = v.strictObject({
  /** The entry of clouds.yaml, on this machine and in `login`. Default: as for all OpenStack programs. */
  cloud: v.optional(resource),
  region: v.optional(resource),
  /** The network of all hosts. */
  network: resource,
  availabilityZone: v.optional(resource),
  /** Without a key pair there is no ssh on the hosts. */
  keyName: v.optional(resource),
  /** Prefixes that may reach ssh on the hosts. None by default. */
  ssh: v.optional(v.pipe(v.array(prefix), v.maxLength(32)), []),
  /** Prefixes that may reach NATS. The site's own machines always may. */
  clients: v.pipe(v.array(prefix), v.minLength(1, "needs the prefixes of users and operators"), v.maxLength(32)),
  hosts: v.strictObject({ image, flavor: resource }),
  /** Absent: the site's builders are those of `pools`. */
  builders: v.optional(
    v.strictObject({
      image,
      flavor: resource,
      reserve: v.number(),
      max: v.number(),
      /** Other settings of the pool, as in queue.yaml: arch, bootTimeoutSeconds and the like. */
      pool: v.optional(v.record(v.string(), v.unknown()), {}),
      /** Default: the network of the hosts. */
      networks: v.optional(v.array(resource)),
      /** A file like clouds.yaml with the login of cb-queue, which needs the role "member". Each queue host gets it. */
      login: file,
    }),
  ),
});

function isPrefix(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length)) return false;
  if (family === 6) return Number(length) <= 128;
  const bits = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return Number(length) <= 32 && bits % 2 ** (32 - Number(length)) === 0;
}
