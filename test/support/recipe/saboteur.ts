/**
 * A recipe that does harm to its builder at the end of the build. %setup runs as root on the builder, so it can replace mksquashfs,
 * which apptainer runs last.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT, type Stack } from "../stack.ts";

/**
 * Runs after mksquashfs, beside the build. `$agent` and `$builder` are the process ids of the agent and of `apptainer build`. `$image` is
 * the image, complete when the agent has it open.
 */
export function sabotaging(stack: Stack, name: string, deed: string, post = "true"): string {
  const setup = `%setup
    mv /usr/bin/mksquashfs /usr/bin/mksquashfs.real
    cat > /usr/bin/mksquashfs <<'EOF'
#!/bin/sh
export agent="$(busybox pgrep -f agent.mjs | head -n 1)" builder=$PPID image=/tmp/build/image.sif
mksquashfs.real "$@" -noD -noF -no-duplicates || exit
setsid /usr/bin/deed </dev/null >/dev/null 2>&1 &
EOF
    cat > /usr/bin/deed <<'EOF'
#!/bin/sh
${deed}
EOF
    chmod 755 /usr/bin/mksquashfs /usr/bin/deed
`;
  const path = stack.path(`${name}.def`);
  const hello = readFileSync(join(PROJECT, "examples", "hello.def"), "utf8");
  const withPost = hello.replace("\n%labels", () => `    ${post}\n\n%labels`);
  writeFileSync(
    path,
    withPost.replace("\n%setup\n", () => `\n${setup}`),
  );
  return path;
}
