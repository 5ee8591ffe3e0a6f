/** The options of the commands of cb-admin that send requests to the queue, their session, and the two forms of a reply. */
import type { Command } from "commander";
import { CbError } from "../../core/errors.ts";
import { printText } from "../standard-output.ts";
import { AdminSession } from "./admin-session.ts";

interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** The options of the subcommand and of cb-admin itself, which may stand before or after it. */
export const optionsOf = <Options = CommonOptions>(command: Command): Options & CommonOptions =>
  command.optsWithGlobals<(Options & CommonOptions) & Record<string, unknown>>();

export async function withSession(command: Command, work: (session: AdminSession) => Promise<void>): Promise<void> {
  const session = await AdminSession.open(optionsOf(command).config);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

/** Prints the reply as text or, with --json, as it is. */
export function printReply<Reply>(command: Command, reply: Reply, text: (reply: Reply) => string): void {
  printText(optionsOf(command).json ? `${JSON.stringify(reply, null, 2)}\n` : text(reply));
}

export function refuseJson(command: Command): void {
  if (!optionsOf(command).json) return;
  const { parent } = command;
  const path = [...(parent?.parent ? [parent.name()] : []), command.name()].join(" ");
  throw new CbError("usage", `cb-admin ${path} has no JSON output`, { hint: "leave out --json" });
}

/** Prints the outcome of one of several steps as a line of text or, with --json, as a line of JSON. */
export function printLine(command: Command, result: object, text: string): void {
  printText(optionsOf(command).json ? `${JSON.stringify(result)}\n` : `${text}\n`);
}
