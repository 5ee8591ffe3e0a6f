/**
 * Every request there is, with who asks whom, in one list. Both ends import it: the queue serves the pattern, the
 * principal gets the subject, and what passes is checked against the same schemas.
 */
import * as v from "valibot";
import { EXIT_CODES } from "../core/exit-codes.ts";
import {
  addUserReply,
  addUserRequest,
  buildersReply,
  buildersRequest,
  destroyReply,
  destroyRequest,
  planReply,
  planRequest,
  revokeUserReply,
  revokeUserRequest,
  usersReply,
  usersRequest,
} from "./admin-messages.ts";
import {
  cancelReply,
  cancelRequest,
  receivedReply,
  receivedRequest,
  reserveReply,
  reserveRequest,
  resizeReply,
  resizeRequest,
  sentReply,
  sentRequest,
} from "./build-messages.ts";
import { agentReply, agentRequest } from "./builder-messages.ts";
import { attachReply, attachRequest, buildsReply, buildsRequest } from "./builds-messages.ts";
import { MESSAGE_MAX_BYTES, type Schema } from "./codec.ts";
import { line } from "./fields.ts";
import { imagesReply, imagesRequest } from "./images-messages.ts";
import { statusReply, statusRequest } from "./status-messages.ts";
import { type AdminVerb, type Principals, patterns, principals, type QueueVerb, subjects } from "./subjects.ts";

export interface RequestDefinition<Question, Reply> {
  /** For messages. */
  readonly name: string;
  readonly principals: Principals;
  /** One star stands for who asks. */
  readonly pattern: string;
  /** The subject for one principal: a user's name or a builder's id. Throws on anything that is neither. */
  readonly subject: (principal: string) => string;
  readonly request: Schema<Question>;
  /** A question may have this many bytes. Default 64 KiB: what a builder's credential may send, and ten times what any needs. */
  readonly maxBytes?: number;
  readonly reply: Schema<Reply>;
}

const define = <Q, R>(request: RequestDefinition<Q, R>): RequestDefinition<Q, R> => request;

const byUser = (verb: QueueVerb) => ({
  name: verb,
  principals: principals.users,
  pattern: patterns.queue(verb),
  subject: (user: string) => subjects.queue(verb, user),
});

const byOperator = (verb: AdminVerb) => ({
  name: verb,
  principals: principals.operators,
  pattern: patterns.admin(verb),
  subject: (operator: string) => subjects.admin(verb, operator),
});

/** Client → queue: build this. `queue.reserve.<user>` */
export const reserve = define({
  ...byUser("reserve"),
  request: reserveRequest,
  maxBytes: MESSAGE_MAX_BYTES,
  reply: reserveReply,
});

/** Client → queue: stop that build of mine. `queue.cancel.<user>` */
export const cancel = define({
  ...byUser("cancel"),
  request: cancelRequest,
  reply: cancelReply,
});

/** Client → queue: my context is whole in the bucket. `queue.sent.<user>` */
export const sent = define({
  ...byUser("sent"),
  request: sentRequest,
  reply: sentReply,
});

/** Client → queue: my terminal has another size. `queue.resize.<user>` */
export const resize = define({
  ...byUser("resize"),
  request: resizeRequest,
  reply: resizeReply,
});

/** Client → queue: let me watch that build of mine again. `queue.attach.<user>` */
export const attach = define({
  ...byUser("attach"),
  request: attachRequest,
  reply: attachReply,
});

/** Client → queue: which builds are mine? `queue.builds.<user>` */
export const builds = define({
  ...byUser("builds"),
  request: buildsRequest,
  reply: buildsReply,
});

/** Client → queue: I have the image. `queue.received.<user>` */
export const received = define({
  ...byUser("received"),
  request: receivedRequest,
  reply: receivedReply,
});

/** Client → queue: how are you? `queue.status.<user>` */
export const status = define({
  ...byUser("status"),
  request: statusRequest,
  reply: statusReply,
});

/** Client → queue: which base images are there? `queue.images.<user>` */
export const images = define({
  ...byUser("images"),
  request: imagesRequest,
  reply: imagesReply,
});

/** Agent → queue, always one outstanding (parked up to 3 s): "alive; anything for me?" `builder.<builder>.ask` */
export const agentAsk = define({
  name: "ask",
  principals: principals.builders,
  pattern: patterns.ask,
  subject: (builder) => subjects.ask(builder),
  request: agentRequest,
  reply: agentReply,
});

/** Operator → queue: sign a credential for this name and key. `admin.add-user.<operator>` */
export const adminAddUser = define({
  ...byOperator("add-user"),
  request: addUserRequest,
  reply: addUserReply,
});

/** Operator → queue: serve that user no longer, and end its builds. `admin.revoke-user.<operator>` */
export const adminRevokeUser = define({
  ...byOperator("revoke-user"),
  request: revokeUserRequest,
  reply: revokeUserReply,
});

/** Operator → queue: who are the users? `admin.users.<operator>` */
export const adminUsers = define({
  ...byOperator("users"),
  request: usersRequest,
  reply: usersReply,
});

/** Operator → queue: every machine, and what it printed. `admin.builders.<operator>` */
export const adminBuilders = define({
  ...byOperator("builders"),
  request: buildersRequest,
  reply: buildersReply,
});

/** Operator → queue: destroy that machine of another generation. `admin.destroy.<operator>` */
export const adminDestroy = define({
  ...byOperator("destroy"),
  request: destroyRequest,
  reply: destroyReply,
});

/** Operator → queue: what would the reconciler do now? `admin.plan.<operator>` */
export const adminPlan = define({
  ...byOperator("plan"),
  request: planRequest,
  reply: planReply,
});

/** What stands in place of a reply when the queue refuses. */
export const errorReply = v.object({
  v: v.literal(1),
  error: v.object({
    kind: v.picklist(Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[]),
    message: line,
    hint: v.optional(line),
  }),
});
