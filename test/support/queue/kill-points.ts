/** The steps at which tests kill a queue: a description, and the message that the queue publishes in that step. */
import { BUILDERS_STREAM } from "../../../lib/protocol/subjects.ts";
import type { KillPoint } from "./killable-queue.ts";

export type QueueStep = Omit<KillPoint, "when">;

const build = /^\$KV\.cb-builds\.build\./;
const builder = /^\$KV\.cb-builders\.local\./;
const slot = /^\$KV\.cb-slots\.local\./;
const buildStream = (call: string) => new RegExp(`^\\$JS\\.API\\.STREAM\\.${call}\\.build-`);
const bucket = (call: string) => new RegExp(`^\\$JS\\.API\\.STREAM\\.${call}\\.OBJ_build-`);
const state = /^build\..*\.state$/;
const anySubject = /./;

/** The steps of a build without files, in their order. */
export const BUILD_STEPS: Readonly<Record<string, QueueStep>> = {
  "the build's stream is created": { subject: buildStream("CREATE") },
  "the recipe is stored": { subject: /^\$KV\.cb-recipes\./, payload: /"recipe":/ },
  "the build's record is created": { subject: build, payload: /"state":"waiting"/ },
  "the reply to `reserve` is sent": { subject: anySubject, payload: /^\{"v":1,"build":"[^"]*","jwt":/ },
  "the builder's lease is recorded": { subject: builder, payload: /"state":"leased"/ },
  "the build's lease is recorded": { subject: build, payload: /"state":"leased"/ },
  "state `leased` is published": { subject: state, payload: /"state":"leased"/ },
  "the lease is sent to the agent": { subject: anySubject, payload: /"order":"lease"/ },
  "the space for the image is reserved": { subject: bucket("CREATE") },
  "order `space-reserved` is sent to the agent": { subject: anySubject, payload: /"order":"space-reserved"/ },
  "the end is recorded": { subject: build, payload: /"state":"ended"/ },
  "the builder's release is recorded": { subject: builder, payload: /"state":"destroying"/ },
  "the final state is published": { subject: state, payload: /"state":"succeeded"/ },
  "the stream is sealed": { subject: buildStream("UPDATE"), payload: /"sealed":true/ },
  "the recipe is deleted": { subject: /^\$KV\.cb-recipes\./, payload: /KV-Operation: DEL/ },
  "the use of its user is counted": { subject: /^\$KV\.cb-usage\./ },
  "the end is recorded as announced": { subject: build, payload: /"announced":true/ },
  "`received` is recorded": { subject: build, payload: /"received":true/ },
  "the bucket is deleted": { subject: bucket("DELETE") },
  "the bucket is recorded as deleted": { subject: build, payload: /"bucketDeleted":true/ },
};

/** The steps of a build with an uploaded context. */
export const CONTEXT_STEPS: Readonly<Record<string, QueueStep>> = {
  "the context's bucket is created": { subject: bucket("CREATE") },
  "`sent` is recorded": { subject: build, payload: /^(?!.*awaitsContext).*"state":"waiting"/ },
  "the space for the log is reserved": { subject: buildStream("UPDATE"), payload: /"sealed":false/ },
  "the space for the image is reserved beside the context": { subject: bucket("UPDATE") },
};

/** The steps of the cancel of a running build. */
export const CANCEL_STEPS: Readonly<Record<string, QueueStep>> = {
  "a cancel is recorded": { subject: build, payload: /"state":"cancelled"/ },
  "a cancelled build's builder is released": { subject: builder, payload: /"state":"destroying"/ },
  "the reply to `cancel` is sent": { subject: anySubject, payload: /^\{"v":1,"state":"cancelled"\}$/ },
};

/** The steps in which one builder is destroyed and another one created. */
export const BUILDER_STEPS: Readonly<Record<string, QueueStep>> = {
  "the machine is recorded as gone": { subject: builder, payload: /"state":"gone"/ },
  "its slot is freed": { subject: slot, payload: /KV-Operation: DEL/ },
  "its record is removed": { subject: builder, payload: /KV-Operation: DEL/ },
  "its state `gone` is published": {
    subject: new RegExp(`^${BUILDERS_STREAM.slice(0, -1)}\\..*\\.state$`),
    payload: /"state":"gone"/,
  },
  "a slot is claimed": { subject: slot, payload: /"claimedAtMs":/ },
  "a machine's record is created": { subject: builder, payload: /"state":"requested"/ },
  "the machine is recorded as created": { subject: builder, payload: /"state":"(?:booting|ready)"/ },
  "the builder is recorded as ready": { subject: builder, payload: /"state":"ready"/ },
};
