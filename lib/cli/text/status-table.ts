/** The live table of cb-status --watch: a line for each pool, and the builds of the user that wait or run. */
import type { BuildsReply } from "../../protocol/builds-messages.ts";
import type { StatusReply } from "../../protocol/status-messages.ts";
import { storageText } from "../../protocol/storage-figures.ts";
import { buildsText } from "./builds-text.ts";
import { quotaText } from "./quota-text.ts";
import { columnsOf, fit, padColumns } from "./width.ts";

const HEAD = ["POOL", "ARCH", "READY", "BOOTING", "RUNNING", "MAX"];
const GAP = "  ";
/** A longer name leaves no space for the figures in 80 columns. */
const NAME_COLUMNS = 24;

export interface StatusAndBuilds {
  readonly status: StatusReply;
  readonly builds: BuildsReply;
}

/** READY is the number of ready builders and the target of the reserve. A pool's reason, if it has one, is in the line below it. */
export function statusTable({ status, builds }: StatusAndBuilds, columns: number): string {
  const { pools, quota, storage, faults, warnings } = status;
  const own = quotaText(quota);
  const rows = [HEAD, ...pools.map(poolRow)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => columnsOf(cells[column] ?? ""))));
  const line = (cells: readonly string[]) => cells.map((cell, at) => padColumns(cell, widths[at] ?? 0)).join(GAP);
  const [head = "", ...poolLines] = rows.map((cells) => line(cells).trimEnd());
  const lines = [head, ...poolLines.flatMap((text, at) => [text, ...indented(pools[at]?.reason ?? "")])];
  const { waiting, running } = status.builds;
  const active = builds.builds.filter(({ state }) => state === "waiting" || state === "leased");
  const ownBuilds =
    active.length === 0
      ? ["You have no waiting or running builds."]
      : [buildsText({ ...builds, builds: active }, columns).trimEnd()];
  const all = [
    ...lines,
    "",
    `Builds of all users: ${waiting} waiting, ${running} running`,
    ...(own === "" ? [] : [`Your quota: ${own}`]),
    ...(storage === undefined ? [] : [`Storage of NATS: ${storageText(storage)}`]),
    ...[...faults, ...warnings].map((text) => `Warning: ${text}`),
    "",
  ];
  return `${[...all.map((text) => (text === "" ? text : fit(text, columns))), ...ownBuilds].join("\n")}\n`;
}

const indented = (reason: string): string[] => (reason === "" ? [] : [`  ${reason}`]);

function poolRow({ name, arch, reserve, builders }: StatusReply["pools"][number]): string[] {
  const count = (...states: readonly string[]) => String(builders.filter(({ state }) => states.includes(state)).length);
  const { ready, target, max } = reserve;
  return [
    fit(name, NAME_COLUMNS),
    arch,
    `${ready}/${target}`,
    count("requested", "booting"),
    count("leased"),
    String(max),
  ];
}
