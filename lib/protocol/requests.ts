/**
 * The list of all requests. Client and queue both import it: the queue serves the pattern, a client sends on the subject of its
 * principal, and both check messages against the same schemas.
 */
import * as v from "valibot";
import { EXIT_CODES } from "../core/exit-codes.ts";
import { adminBuildsReply, adminBuildsRequest, adminCancelReply, adminCancelRequest } from "./admin-builds-messages.ts";
import {
  addUserReply,
  addUserRequest,
  buildersReply,
  buildersRequest,
  deleteStreamsReply,
  deleteStreamsRequest,
  destroyReply,
  destroyRequest,
  planReply,
  planRequest,
  revokeUserReply,
  revokeUserRequest,
  streamsReply,
  streamsRequest,
  usersReply,
  usersRequest,
} from "./admin-messages.ts";
import {
  drainReply,
  drainRequest,
  holdReply,
  holdRequest,
  releaseReply,
  releaseRequest,
  undrainReply,
  undrainRequest,
} from "./admin-pools-messages.ts";
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
import { usageReply, usageRequest } from "./usage-messages.ts";

export interface RequestDefinition<Request, Reply> {
  /** Names the request in error messages. */
  readonly name: string;
  readonly principals: Principals;
  /** The subject with a star for the principal. */
  readonly pattern: string;
  /** The subject for one principal, a user's or operator's name or a builder's id. Throws CbError "usage" on any other text. */
  readonly subject: (principal: string) => string;
  readonly request: Schema<Request>;
  /** The largest request. Default 64 KiB: the payload limit of a builder's credential, and ten times what a request needs. */
  readonly maxBytes?: number;
  readonly reply: Schema<Reply>;
}

const define = <Request, Reply>(definition: RequestDefinition<Request, Reply>): RequestDefinition<Request, Reply> =>
  definition;

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

/** Client → queue: reserve a builder for this recipe. `queue.reserve.<user>` */
export const reserve = define({
  ...byUser("reserve"),
  request: reserveRequest,
  maxBytes: MESSAGE_MAX_BYTES,
  reply: reserveReply,
});

/** Client → queue: cancel a build of the user. `queue.cancel.<user>` */
export const cancel = define({
  ...byUser("cancel"),
  request: cancelRequest,
  reply: cancelReply,
});

/** Client → queue: the context in the bucket is complete. `queue.sent.<user>` */
export const sent = define({
  ...byUser("sent"),
  request: sentRequest,
  reply: sentReply,
});

/** Client → queue: the new size of the client's terminal. `queue.resize.<user>` */
export const resize = define({
  ...byUser("resize"),
  request: resizeRequest,
  reply: resizeReply,
});

/** Client → queue: grant access to a build of the user again. `queue.attach.<user>` */
export const attach = define({
  ...byUser("attach"),
  request: attachRequest,
  reply: attachReply,
});

/** Client → queue: list the user's builds. `queue.builds.<user>` */
export const builds = define({
  ...byUser("builds"),
  request: buildsRequest,
  reply: buildsReply,
});

/** Client → queue: the client has the image. `queue.received.<user>` */
export const received = define({
  ...byUser("received"),
  request: receivedRequest,
  reply: receivedReply,
});

/** Client → queue: the state of the pools and builds. `queue.status.<user>` */
export const status = define({
  ...byUser("status"),
  request: statusRequest,
  reply: statusReply,
});

/** Client → queue: list the base images of the site's registries. `queue.images.<user>` */
export const images = define({
  ...byUser("images"),
  request: imagesRequest,
  reply: imagesReply,
});

/** Agent → queue: heartbeat and request for the next order; always one outstanding, parked up to 3 s. `builder.<builder>.ask` */
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

/** Operator → queue: refuse a user's reservations and end its builds. `admin.revoke-user.<operator>` */
export const adminRevokeUser = define({
  ...byOperator("revoke-user"),
  request: revokeUserRequest,
  reply: revokeUserReply,
});

/** Operator → queue: list the users. `admin.users.<operator>` */
export const adminUsers = define({
  ...byOperator("users"),
  request: usersRequest,
  reply: usersReply,
});

/** Operator → queue: list all machines, with their consoles. `admin.builders.<operator>` */
export const adminBuilders = define({
  ...byOperator("builders"),
  request: buildersRequest,
  reply: buildersReply,
});

/** Operator → queue: destroy a machine of another generation. `admin.destroy.<operator>` */
export const adminDestroy = define({
  ...byOperator("destroy"),
  request: destroyRequest,
  reply: destroyReply,
});

/** Operator → queue: the plan that the reconciler would make now. `admin.plan.<operator>` */
export const adminPlan = define({
  ...byOperator("plan"),
  request: planRequest,
  reply: planReply,
});

/** Operator → queue: list the streams of builds without a record. `admin.streams.<operator>` */
export const adminStreams = define({
  ...byOperator("streams"),
  request: streamsRequest,
  reply: streamsReply,
});

/** Operator → queue: delete the streams of these builds without a record. `admin.delete-streams.<operator>` */
export const adminDeleteStreams = define({
  ...byOperator("delete-streams"),
  request: deleteStreamsRequest,
  reply: deleteStreamsReply,
});

/** Operator → queue: list the builds of all users. `admin.list-builds.<operator>` */
export const adminBuilds = define({
  ...byOperator("list-builds"),
  request: adminBuildsRequest,
  reply: adminBuildsReply,
});

/** Operator → queue: cancel a build of any user. `admin.cancel-build.<operator>` */
export const adminCancel = define({
  ...byOperator("cancel-build"),
  request: adminCancelRequest,
  reply: adminCancelReply,
});

/** Operator → queue: lease no more builders of a pool. `admin.drain-pool.<operator>` */
export const adminDrain = define({
  ...byOperator("drain-pool"),
  request: drainRequest,
  reply: drainReply,
});

/** Operator → queue: use a drained pool again. `admin.undrain-pool.<operator>` */
export const adminUndrain = define({
  ...byOperator("undrain-pool"),
  request: undrainRequest,
  reply: undrainReply,
});

/** Operator → queue: keep a builder for a look at it. `admin.hold-builder.<operator>` */
export const adminHold = define({
  ...byOperator("hold-builder"),
  request: holdRequest,
  reply: holdReply,
});

/** Operator → queue: give up a held builder. `admin.release-builder.<operator>` */
export const adminRelease = define({
  ...byOperator("release-builder"),
  request: releaseRequest,
  reply: releaseReply,
});

/** Operator → queue: what each user has used in a month. `admin.usage.<operator>` */
export const adminUsage = define({
  ...byOperator("usage"),
  request: usageRequest,
  reply: usageReply,
});

/** The body of a refusal. */
export const errorReply = v.object({
  v: v.literal(1),
  error: v.object({
    kind: v.picklist(Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[]),
    message: line,
    hint: v.optional(line),
  }),
});
