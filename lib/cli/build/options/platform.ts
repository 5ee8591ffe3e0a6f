/** Reads docker's form of an architecture: OS/ARCH or OS/ARCH/VARIANT. */
import { CbError } from "../../../core/errors.ts";
import { archName } from "../../arch-name.ts";
import type { BuildOptionValues } from "./declare.ts";

export interface Platform {
  /** As `uname -m` prints it. */
  readonly arch: string;
  readonly variant?: string;
}

/** Variants that an architecture has without being told (OCI image-spec, "Platform Variants"). */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { aarch64: "v8", x86_64: "v1" };

/** Throws CbError "usage" for several platforms, another system than Linux, and as archName(). */
export function parsePlatform(text: string): Platform {
  const shown = `--platform ${text}`;
  if (text.includes(",")) {
    throw new CbError("usage", `${shown} names several platforms; a SIF file has one`, {
      hint: "call once for each platform, with another IMAGE",
    });
  }
  const parts = text.split("/");
  const [os = "", name = "", variant] = parts;
  if (parts.length < 2 || parts.length > 3 || name === "" || os.toLowerCase() !== "linux") {
    throw new CbError("usage", `${shown} is not a platform of Linux`, {
      hint: "write it as linux/amd64 or linux/arm64",
    });
  }
  const arch = archName(name, shown);
  return variant === undefined || variant === "" || variant === DEFAULT_VARIANTS[arch] ? { arch } : { arch, variant };
}

/** The architecture that --arch or --platform names. Throws CbError "usage" when they differ, and as parsePlatform(). */
export function architectureOf({ arch, platform }: Pick<BuildOptionValues, "arch" | "platform">): string | undefined {
  if (platform === undefined) return arch;
  const ofPlatform = parsePlatform(platform).arch;
  if (arch === undefined || arch === ofPlatform) return ofPlatform;
  throw new CbError("usage", `--arch ${arch} and --platform ${platform} name different architectures`, {
    hint: "leave one of them out",
  });
}
