/** Lets root go on with the rights of another user. */
import { stat } from "node:fs/promises";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { addSubordinateIds } from "../../../lib/provider/sandbox/subordinate-ids.ts";
import { runCommand } from "../../tools/setup/run-command.ts";
import { print } from "../write-image.ts";

/**
 * Called by root, the process becomes the owner of `folder`, after adding subordinate ids for that user where they are missing.
 * Called by another user, it does nothing. Throws CbError "output" when the folder does not exist, "config" when its owner is no user.
 */
export async function becomeOwner(folder: string): Promise<void> {
  const { uid } = await stat(folder).catch((cause: unknown) => {
    throw new CbError("output", `cannot use the folder ${folder}: ${messageOf(cause)}`, {
      hint: "name a path in a folder of the user that runs cb-queue, such as /var/lib/cb-queue",
      cause,
    });
  });
  if (process.getuid?.() !== 0) return;
  // A line of passwd(5): name:password:uid:gid:comment:home:shell.
  const entry = await runCommand(["getent", "passwd", String(uid)]);
  const [name = "", , , gid = "", , home = "/"] = entry.output.trim().split(":");
  if (entry.code !== 0) throw new CbError("config", `the owner of ${folder}, ${uid}, is no user of this host`);
  for (const added of await addSubordinateIds(name)) print(`Added a line to ${added}`);
  if (uid === 0) return;
  print(`Going on as ${name}, the owner of ${folder}`);
  // The caller's folders may be closed to that user.
  process.chdir("/");
  process.setgroups?.([Number(gid)]);
  process.setgid?.(Number(gid));
  process.setuid?.(uid);
  process.env.HOME = home;
  delete process.env.TMPDIR;
}
