/** Reads the credential file of a user or an operator for a program that connects with it. */
import { systemClock } from "../core/clock.ts";
import { type Creds, readCreds } from "../nats/credentials/creds.ts";
import { exposureOf } from "../nats/credentials/creds-mode.ts";

/** Prints a warning on standard error. */
export const warnOf =
  (program: string) =>
  (text: string): void =>
    void process.stderr.write(`${program}: warning: ${text}\n`);

/** `warn` gets a sentence when other users can read the file. Errors as readCreds(). */
export async function readCredential(path: string, warn: (text: string) => void): Promise<Creds> {
  const creds = await readCreds(path, systemClock.nowMs());
  const exposure = await exposureOf(path);
  if (exposure !== undefined) warn(exposure);
  return creds;
}
