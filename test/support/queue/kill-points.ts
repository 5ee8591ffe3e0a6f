/** Points at which a queue can be killed, in words, each by the message that the queue sends there. */
import { BUILDERS_STREAM } from "../../../lib/protocol/subjects.ts";
import type { KillPoint } from "./mortal-queue.ts";

export type Deed = Omit<KillPoint, "when">;

const build = /^\$KV\.cb-builds\.build\./;
const builder = /^\$KV\.cb-builders\.local\./;
const slot = /^\$KV\.cb-slots\.local\./;
const buildStream = (call: string) => new RegExp(`^\\$JS\\.API\\.STREAM\\.${call}\\.build-`);
const bucket = (call: string) => new RegExp(`^\\$JS\\.API\\.STREAM\\.${call}\\.OBJ_build-`);
const state = /^build\..*\.state$/;
const anywhere = /./;

/** In the order in which they come in the life of a build without files. */
export const BUILD_DEEDS: Readonly<Record<string, Deed>> = {
  "the build's stream is made": { subject: buildStream("CREATE") },
  "the recipe is stored": { subject: /^\$KV\.cb-recipes\./, payload: /"recipe":/ },
  "the build's record is created": { subject: build, payload: /"state":"waiting"/ },
  "the reservation is answered": { subject: anywhere, payload: /^\{"v":1,"build":"[^"]*","jwt":/ },
  "room for the log is made": { subject: buildStream("UPDATE") },
  "the builder's lease is recorded": { subject: builder, payload: /"state":"leased"/ },
  "the build's lease is recorded": { subject: build, payload: /"state":"leased"/ },
  "the caller is told of the lease": { subject: state, payload: /"state":"leased"/ },
  "the lease is handed to the agent": { subject: anywhere, payload: /"order":"lease"/ },
  "room for the image is made": { subject: bucket("CREATE") },
  "the agent is told of the room": { subject: anywhere, payload: /"order":"space-reserved"/ },
  "the end is recorded": { subject: build, payload: /"state":"ended"/ },
  "the builder's release is recorded": { subject: builder, payload: /"state":"destroying"/ },
  "the caller is told of the end": { subject: state, payload: /"state":"succeeded"/ },
  "the stream is sealed": { subject: buildStream("UPDATE"), payload: /"sealed":true/ },
  "the recipe is dropped": { subject: /^\$KV\.cb-recipes\./, payload: /KV-Operation: DEL/ },
  "the end is noted as told": { subject: build, payload: /"announced":true/ },
  "`received` is recorded": { subject: build, payload: /"received":true/ },
  "the bucket is deleted": { subject: bucket("DELETE") },
  "the bucket is noted as deleted": { subject: build, payload: /"emptied":true/ },
};

/** In the life of a build whose files travel as an object. */
export const CONTEXT_DEEDS: Readonly<Record<string, Deed>> = {
  "the context's bucket is made": { subject: bucket("CREATE") },
  "`sent` is recorded": { subject: build, payload: /^(?!.*awaitsContext).*"state":"waiting"/ },
  "room for the image is made beside the context": { subject: bucket("UPDATE") },
};

/** In the cancel of a build that runs. */
export const CANCEL_DEEDS: Readonly<Record<string, Deed>> = {
  "a cancel is recorded": { subject: build, payload: /"state":"cancelled"/ },
  "a cancelled build's builder is released": { subject: builder, payload: /"state":"destroying"/ },
  "a cancel is answered": { subject: anywhere, payload: /^\{"v":1,"state":"cancelled"\}$/ },
};

/** While a builder goes and another one comes. */
export const BUILDER_DEEDS: Readonly<Record<string, Deed>> = {
  "the machine is noted as gone": { subject: builder, payload: /"state":"gone"/ },
  "its slot is freed": { subject: slot, payload: /KV-Operation: DEL/ },
  "its record is removed": { subject: builder, payload: /KV-Operation: DEL/ },
  "its end is told": {
    subject: new RegExp(`^${BUILDERS_STREAM.slice(0, -1)}\\..*\\.state$`),
    payload: /"state":"gone"/,
  },
  "a slot is claimed": { subject: slot, payload: /"claimedAtMs":/ },
  "a machine's record is created": { subject: builder, payload: /"state":"requested"/ },
  "the machine is noted as created": { subject: builder, payload: /"state":"(?:booting|ready)"/ },
  "the builder is noted as ready": { subject: builder, payload: /"state":"ready"/ },
};
