/** The space that NATS has for streams, as refusals and cb-status show it. */
import * as v from "valibot";
import { count } from "./fields.ts";

export const storageFigures = v.object({
  /** New streams can reserve this much. */
  freeBytes: count,
  /** `max_file` of nats-server. */
  totalBytes: count,
});
export type StorageFigures = v.InferOutput<typeof storageFigures>;

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** For example "0.4 of 12 GiB free"; in MiB below 1 GiB in total. Rounded down, so that no more is promised than is there. */
export function storageText({ freeBytes, totalBytes }: StorageFigures): string {
  const [unit, name] = totalBytes < GIB ? [MIB, "MiB"] : [GIB, "GiB"];
  const inUnits = (bytes: number) => Math.floor((bytes / unit) * 10) / 10;
  return `${inUnits(freeBytes)} of ${inUnits(totalBytes)} ${name} free`;
}
