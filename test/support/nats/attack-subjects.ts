/** The subjects that attacks aim at, and the requests that an attacker's credentials may send. */
import {
  buildBucketStream,
  buildMetaSubject,
  buildStream,
  GUEST_API_PREFIX,
  GUEST_READER_PREFIX,
  subjects,
} from "../../../lib/protocol/subjects.ts";
import type { Party } from "./attack.ts";
import type { Guest } from "./nats.ts";

/** Subjects of the victim, and subjects of the server that concern the victim. */
export function targets(victim: Party): string[] {
  const streams = [buildStream(victim.build), buildBucketStream(victim.build)];
  const calls = ["STREAM.PURGE", "STREAM.DELETE", "STREAM.UPDATE", "STREAM.MSG.DELETE", "STREAM.CREATE"];
  const reads = ["STREAM.MSG.GET", "STREAM.INFO", "DIRECT.GET", "CONSUMER.CREATE", "CONSUMER.NAMES", "CONSUMER.LIST"];
  const apis = streams.flatMap((stream) => [
    ...[...calls, ...reads].map((call) => `${call}.${stream}`),
    `CONSUMER.MSG.NEXT.${stream}.reader`,
    `CONSUMER.DELETE.${stream}.reader`,
    `CONSUMER.CREATE.${stream}.reader`,
    `CONSUMER.DURABLE.CREATE.${stream}.reader`,
  ]);
  return [
    ...(["reserve", "cancel", "status"] as const).map((verb) => subjects.queue(verb, victim.name)),
    ...(["revoke-user", "users", "destroy"] as const).map((verb) => subjects.admin(verb, victim.name)),
    subjects.ask(victim.builderId),
    subjects.log(victim.build),
    subjects.state(victim.build),
    `$O.build-${victim.build}.C.x`,
    `$O.build-${victim.build}.C.ofvictim`,
    buildMetaSubject(victim.build, "image"),
    buildMetaSubject(victim.build, "context"),
    ...apis.flatMap((call) => [`$JS.API.${call}`, `${GUEST_API_PREFIX}.${call}`]),
    ...streams.map((stream) => `${GUEST_READER_PREFIX}.${stream}.reader`),
    ...streams.map((stream) => `$JS.ACK.${stream}.reader.1.1.1.1.0`),
    ...streams.map((stream) => `$JS.FC.${stream}.reader.x`),
    `_INBOX.${victim.user.publicKey}.guess`,
    "_R_.guess.guess",
    "$SRV.PING",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.INFO",
    "$KV.builds.x",
  ];
}

/** Subjects and wildcards that carry messages of the victim. */
export function secrets(victim: Party): string[] {
  const own = [victim.user, victim.caller, victim.agent, victim.builder].map((guest) => `_INBOX.${guest.publicKey}.>`);
  const wide = [
    ">",
    "*.>",
    "_INBOX.>",
    "_INBOX.*.>",
    "_R_.>",
    "queue.>",
    "builder.>",
    "build.>",
    "$O.>",
    "guest.>",
    "admin.>",
  ];
  const servers = ["$SYS.>", "$SRV.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$KV.>", `${GUEST_API_PREFIX}.>`];
  const exact = [subjects.log(victim.build), subjects.state(victim.build), subjects.ask(victim.builderId)];
  return [...own, ...wide, ...servers, ...exact, subjects.queue("cancel", victim.name)];
}

interface AllowedRequest {
  readonly subject: string;
  readonly body: string;
}

export interface Attacker {
  readonly role: string;
  readonly guest: Guest;
  /** The requests that this role may publish, each with a body that gets a reply. */
  readonly allowed: readonly AllowedRequest[];
  /** The streams it may read. */
  readonly streams: readonly string[];
}

/** One attacker with the four kinds of credential. */
export function attackers(mallory: Party): Attacker[] {
  const { build, builderId, name } = mallory;
  const evil = '{"state":"succeeded"}';
  const chunk = { subject: `$O.build-${build}.C.evil`, body: evil };
  const own = [buildStream(build), buildBucketStream(build)];
  const agent = [
    { subject: subjects.log(build), body: evil },
    { subject: subjects.state(build), body: evil },
    { subject: buildMetaSubject(build, "image"), body: evil },
    chunk,
    ...calls(buildBucketStream(build)),
  ];
  const caller = [chunk, { subject: buildMetaSubject(build, "context"), body: evil }, ...own.flatMap(calls)];
  return [
    {
      role: "user",
      guest: mallory.user,
      allowed: [{ subject: subjects.queue("status", name), body: "{}" }],
      streams: [],
    },
    {
      role: "builder",
      guest: mallory.builder,
      allowed: [{ subject: subjects.ask(builderId), body: "{}" }],
      streams: [],
    },
    { role: "caller", guest: mallory.caller, allowed: caller, streams: own },
    { role: "agent", guest: mallory.agent, allowed: agent, streams: own.slice(1) },
  ];
}

/** The API calls of a reader, with bodies that make the server reply with messages that the attacker stored. */
function calls(stream: string): AllowedRequest[] {
  const api = (call: string, body: object) => ({ subject: `${GUEST_API_PREFIX}.${call}`, body: JSON.stringify(body) });
  return [
    api(`STREAM.MSG.GET.${stream}`, { seq: 1 }),
    api(`STREAM.INFO.${stream}`, {}),
    api(`CONSUMER.CREATE.${stream}.evil`, { stream_name: stream, config: { name: "evil" } }),
    api(`CONSUMER.MSG.NEXT.${stream}.reader`, { batch: 1, no_wait: true }),
    api(`CONSUMER.DELETE.${stream}.evil`, {}),
  ];
}
