/** Imports point one way: each room may import its own layer and those below it. */
import { importsOf, type SourceFile } from "./source.ts";

/**
 * The layers, the lowest first. A file of `lib` itself (errors, clock, log) is below everything. A new room is given its
 * layer here.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["lib"],
  ["lib/bus", "lib/auth", "lib/config", "lib/transfer", "lib/context", "lib/recipe", "lib/registry"],
  ["lib/build", "lib/pool", "lib/provider", "lib/queue", "lib/client", "lib/admin"],
  ["lib/program"],
  ["infra", "agent"],
  ["cmd"],
  ["test"],
];

/** What runs on a builder knows nothing of who makes builders. */
const NOT_FOR_AGENT = ["lib/pool", "lib/provider", "lib/queue"];

/** `lib/bus` of `lib/bus/subjects.ts`, `lib` of `lib/errors.ts`, `agent` of `agent/log/sender.ts`. */
export function roomOf(path: string): string {
  const [top = "", second = "", third] = path.split("/");
  return top === "lib" && third !== undefined ? `lib/${second}` : top;
}

export function wrongWay(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap(({ path }) => {
      const why = path === undefined ? undefined : objection(roomOf(file.path), roomOf(path));
      return why === undefined ? [] : [`${file.path} imports ${path}: ${why}`];
    }),
  );
}

function objection(from: string, to: string): string | undefined {
  if (from === to) return undefined;
  const [upper, lower] = [layerOf(from), layerOf(to)];
  const unknown = upper === -1 ? from : lower === -1 ? to : undefined;
  if (unknown !== undefined) return `${unknown} has no layer in test/tidy/rooms.ts`;
  if (from === "agent" && NOT_FOR_AGENT.includes(to)) return `agent never imports ${NOT_FOR_AGENT.join(", ")}`;
  const apart = [from, to].includes("agent") && [from, to].includes("infra");
  if (apart) return "agent and infra do not know each other";
  if (to === "agent" && from !== "test") return "the agent is a program, nothing imports it";
  return lower > upper ? `${to} is above ${from}` : undefined;
}

function layerOf(room: string): number {
  return LAYERS.findIndex((rooms) => rooms.includes(room));
}
