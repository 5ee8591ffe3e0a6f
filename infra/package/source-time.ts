/** The time that all files of a package get, so that it does not depend on when the package is made. */
import { CbError } from "../../lib/core/errors.ts";
import { runCommand } from "../tools/setup/run-command.ts";

/**
 * Returns SOURCE_DATE_EPOCH (reproducible-builds.org), else the time of the last commit in `root`, in seconds since 1970. Throws
 * CbError "config" when the variable is no whole number, or when it is not set and `root` is no git checkout.
 */
export async function sourceTime(root: string, env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const named = env.SOURCE_DATE_EPOCH;
  if (named !== undefined) {
    if (/^\d{1,11}$/.test(named)) return Number(named);
    throw new CbError("config", `SOURCE_DATE_EPOCH is ${JSON.stringify(named)}, not a number of seconds since 1970`, {
      hint: "unset it to use the time of the last commit",
    });
  }
  const { code, output } = await runCommand(["git", "log", "-1", "--format=%ct"], { cwd: root });
  const time = output.trim();
  if (code === 0 && /^\d+$/.test(time)) return Number(time);
  throw new CbError("config", `cannot read the time of the last commit in ${root}: ${time}`, {
    hint: "set SOURCE_DATE_EPOCH to a number of seconds since 1970",
  });
}
