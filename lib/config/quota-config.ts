/** The setting `quotas` of queue.yaml: how much each user may build. */
import * as v from "valibot";
import { userName } from "../protocol/fields.ts";

const UNLIMITED = "unlimited";

const MESSAGE = `must be a number from 0 on, or ${UNLIMITED}`;

/** Undefined after parsing: no limit. */
const limit = (unit: v.GenericSchema<number, number>) =>
  v.pipe(
    v.union([unit, v.literal(UNLIMITED)], MESSAGE),
    v.transform((text) => (text === UNLIMITED ? undefined : text)),
  );
const whole = v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(0, MESSAGE), v.maxValue(1_000_000));
const hours = v.pipe(v.number(), v.minValue(0, MESSAGE), v.maxValue(1_000_000));

const quota = v.strictObject({
  /** Builds of a day (UTC) that had a builder, those that wait or run now included. 0: none. */
  buildsPerDay: v.optional(limit(whole)),
  /** Time from lease to end of all builds of a calendar month (UTC). */
  builderHoursPerMonth: v.optional(limit(hours)),
});

/** None by default: `limits` bounds what a user may do at once, and a site knows what it may do in a month. */
export const quotasConfig = v.strictObject({
  ...quota.entries,
  /** A user's own entry replaces each setting that it has. */
  users: v.optional(v.record(userName, quota), {}),
});
export type QuotasConfig = v.InferOutput<typeof quotasConfig>;
