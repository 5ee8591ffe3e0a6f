/** The command `cb-admin usage`. */
import { type Command, InvalidArgumentError } from "commander";
import { assertUserName } from "../../../protocol/ids.ts";
import { adminUsage } from "../../../protocol/requests.ts";
import { optionsOf, printReply, withSession } from "../command-session.ts";
import { usageText } from "./usage-text.ts";

export function addUsageCommand(program: Command): void {
  program
    .command("usage")
    .description("show what each user has used in a month: builds by outcome, hours of builders, size of the images")
    .option("--month <month>", "such as 2026-11, in UTC; kept for 24 months (default: the running month)", monthOf)
    .option("-u, --user <name>", "only this user")
    .action((_, command: Command) => {
      const { month, user } = optionsOf<{ month?: string; user?: string }>(command);
      const request = {
        v: 1,
        ...(month === undefined ? {} : { month }),
        ...(user === undefined ? {} : { user: assertUserName(user) }),
      } as const;
      return withSession(command, async (session) =>
        printReply(command, await session.request(adminUsage, request), (reply) =>
          usageText(reply, process.stdout.columns),
        ),
      );
    });
}

/** Commander names the option in its message. */
function monthOf(text: string): string {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw new InvalidArgumentError("It must be a month such as 2026-11.");
}
