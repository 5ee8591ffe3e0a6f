/** Collects the options that a builder passes on to apptainer or buildah, and refuses those of the other kind of recipe. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { Backend } from "../../../protocol/build-messages.ts";
import { type PassedOptions, passedOptions } from "../../../protocol/build-options.ts";
import { parseBinds, parseMount } from "./binds.ts";
import type { BuildOptionValues } from "./declare.ts";
import { BUILD_OPTIONS, flagOf } from "./option-list.ts";
import { parsePlatform } from "./platform.ts";

const KINDS: Readonly<Record<Backend, string>> = { singularity: "a definition file", docker: "a Dockerfile" };
const REMEDIES: Readonly<Record<string, string>> = {
  "--bind": "COPY the files in the Dockerfile, or use RUN --mount=type=bind",
  "--mount": "COPY the files in the Dockerfile, or use RUN --mount=type=bind",
  "--notest": "a Dockerfile has no tests; leave it out",
  "--writable-tmpfs": "a Dockerfile has no tests; leave it out",
  "--library": "a Dockerfile pulls from registries only; leave it out",
  "--nv": "write the build as a definition file; buildah has no such option",
  "--rocm": "write the build as a definition file; buildah has no such option",
  "--target": "remove the later stages from the definition file",
  "--label": "add the label to %labels",
};

/** `shown`: the recipe, for messages. Throws CbError "usage" for an option that this kind of recipe cannot have, and its value. */
export function passedOptionsOf(values: BuildOptionValues, backend: Backend, shown: string): PassedOptions | undefined {
  refuseOthers(values, backend, shown);
  const binds = [...(values.bind ?? []).flatMap(parseBinds), ...(values.mount ?? []).map(parseMount)];
  const labels = Object.fromEntries((values.label ?? []).map(parseLabel));
  const archVariant =
    values.archVariant ?? (values.platform === undefined ? undefined : parsePlatform(values.platform).variant);
  const options: PassedOptions = {
    ...(values.notest ? { noTest: true } : {}),
    ...(values.writableTmpfs ? { writableTmpfs: true } : {}),
    ...(binds.length > 0 ? { binds } : {}),
    ...(values.library === undefined ? {} : { library: values.library }),
    ...gpuOf(values),
    ...(values.target === undefined ? {} : { target: values.target }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(archVariant === undefined ? {} : { archVariant }),
    ...(values.mksquashfsArgs === undefined ? {} : { mksquashfsArgs: values.mksquashfsArgs }),
    ...(values.compression === undefined ? {} : { compression: values.compression }),
  };
  return Object.keys(options).length === 0 ? undefined : valid(options);
}

/** The schema of the protocol has the bounds, so that the queue does not refuse what this accepts. */
function valid(options: PassedOptions): PassedOptions {
  const result = v.safeParse(passedOptions, options);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "";
  const name = path.replace(/\..*/, "");
  const flag = FLAGS[name] ?? `--${name}`;
  throw new CbError("usage", `${flag}: ${issue.message}`, { hint: "shorten or correct the value" });
}

const FLAGS: Readonly<Record<string, string>> = {
  noTest: "--notest",
  writableTmpfs: "--writable-tmpfs",
  binds: "--bind",
  labels: "--label",
  archVariant: "--arch-variant",
  mksquashfsArgs: "--mksquashfs-args",
};

function refuseOthers(values: BuildOptionValues, backend: Backend, shown: string): void {
  const given = new Set(Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [name])));
  for (const option of BUILD_OPTIONS) {
    const flag = flagOf(option);
    const name = flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (option.only === undefined || option.only === backend || !given.has(name)) continue;
    throw new CbError("usage", `${flag} is for ${KINDS[option.only]}, and ${shown} is ${KINDS[backend]}`, {
      hint: REMEDIES[flag] ?? "leave it out",
    });
  }
}

function gpuOf({ nv, rocm }: BuildOptionValues): Pick<PassedOptions, "gpu"> {
  if (nv && rocm) throw new CbError("usage", "--nv and --rocm exclude each other", { hint: "leave one of them out" });
  return nv ? { gpu: "nvidia" } : rocm ? { gpu: "rocm" } : {};
}

function parseLabel(text: string): [string, string] {
  const [, name = "", value = ""] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
  if (name !== "") return [name, value];
  throw new CbError("usage", `--label ${text} is not NAME=VALUE`, { hint: "write --label NAME=VALUE" });
}
