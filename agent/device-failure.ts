/** Explains to the user why a recipe could not make a device file; mknod prints only the kernel's error. */

/** The messages of mknod (coreutils and busybox), and of cp and tar for a device in their source. */
const DEVICE_REFUSED =
  /(?:mknod: [^\n]*|cannot (?:create special file|mknod)[^\n]*|Cannot mknod[^\n]*): Operation not permitted/;

/** The remedy for the user. Undefined when the build failed for another reason. */
export function deviceFailure(output: string): string | undefined {
  if (!DEVICE_REFUSED.test(output)) return undefined;
  return "builders in a sandbox have no right to make device files (mknod); leave them out, since apptainer mounts the host's /dev when the image runs, or build on a pool of virtual machines";
}
