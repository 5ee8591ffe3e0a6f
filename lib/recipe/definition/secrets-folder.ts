/** Adds to a definition file the folder in which its builder mounts build secrets: apptainer (1.4.5) makes no missing mount point. */

/** Where %post, %test and RUN find their secrets, as with docker. */
export const SECRETS_FOLDER = "/run/secrets";

/** Ends each stage with a `%setup`, which apptainer joins with the stage's own. */
export function withSecretsFolder(text: string): string {
  const setup = `\n%setup\n    mkdir -p "$APPTAINER_ROOTFS${SECRETS_FOLDER}"\n`;
  const stages = text.split(/^(?=bootstrap:)/im);
  return stages.map((stage) => (/^bootstrap:/i.test(stage) ? stage + setup : stage)).join("");
}
