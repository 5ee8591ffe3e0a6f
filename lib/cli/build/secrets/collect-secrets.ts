/** Collects what a call gives of build secrets and of logins for the registries that its recipe names. */
import type { Recipe } from "../../../protocol/build-messages.ts";
import type { BuildSecrets, RegistryLogin } from "../../../protocol/secret-messages.ts";
import { baseImagesOf } from "../../../recipe/base-images.ts";
import type { BuildOptionValues } from "../options/declare.ts";
import type { Environment } from "../options/variables.ts";
import { findLogins, type LoginOptions } from "./registry-logins.ts";
import { parseSecret, readSecrets } from "./secret-option.ts";

export interface CollectedSecrets {
  /** Undefined: there is nothing to send. */
  readonly secrets: BuildSecrets | undefined;
  /** Kind and source of each, without any value: `npm, from the file .npmrc`. */
  readonly shown: readonly (readonly ["secret" | "login", string])[];
  readonly notes: readonly string[];
}

export interface SecretsCall {
  readonly recipe: Recipe;
  readonly options: BuildOptionValues;
  readonly environment: Environment;
  /** The arguments of the command line, without those of variables. */
  readonly argv: readonly string[];
}

/** Throws CbError "usage" and "config" as parseSecret(), readSecrets() and findLogins(), and as baseImagesOf(). */
export async function collectSecrets(call: SecretsCall): Promise<CollectedSecrets> {
  const { recipe, options, environment, argv } = call;
  const sources = (options.secret ?? []).map((text) => parseSecret(text, environment));
  const secrets = await readSecrets(sources, environment);
  const logins = await findLogins(baseImagesOf(recipe), loginOptions(call), environment);
  const isEmpty = secrets.length + logins.length === 0;
  return {
    secrets: isEmpty ? undefined : { v: 1, secrets, logins: logins.map(({ login }) => forProgram(login, recipe)) },
    shown: [
      ...sources.map(({ id, kind, name }) => ["secret", `${id}, from the ${KINDS[kind]} ${name}`] as const),
      ...logins.map(({ login, from }) => ["login", `${login.registry}, from ${from}`] as const),
    ],
    notes: argv.some((word) => /^--docker-password(=|$)/.test(word)) ? [PASSWORD_NOTE] : [],
  };
}

/** apptainer (1.4.5) looks for logins of whole registries alone, buildah also for those of a path. */
const forProgram = (login: RegistryLogin, { backend }: Recipe): RegistryLogin =>
  backend === "singularity" ? { ...login, registry: login.registry.replace(/\/.*/s, "") } : login;

/** apptainer takes variables without a prefix too; buildah and docker do not, and a CI system may set them for another registry. */
function loginOptions({ recipe, options, environment, argv }: SecretsCall): LoginOptions {
  const variables = recipe.backend === "singularity" ? environment : {};
  return {
    authfile: options.authfile,
    username: options.dockerUsername ?? variables.DOCKER_USERNAME,
    password: options.dockerPassword ?? variables.DOCKER_PASSWORD,
    ask: options.dockerLogin,
    isTyped: argv.some((word) => /^--docker-(username|password|login)(=|$)/.test(word)),
  };
}

const KINDS = { env: "variable", file: "file" } as const;

const PASSWORD_NOTE =
  "--docker-password: other users of this machine can read it in the list of processes; set APPTAINER_DOCKER_PASSWORD, or type it: --docker-login";
