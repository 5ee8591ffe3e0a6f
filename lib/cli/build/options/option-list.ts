/**
 * Every option of container-builder that says what to build: its own, those of `apptainer build` (1.4.5), and those of
 * `docker build` (28) and `buildah build` (1.39). docs/from-apptainer.md and docs/from-docker.md list the same options; a test
 * compares them.
 */
import type { Backend } from "../../../protocol/build-messages.ts";
import { COMPRESSIONS } from "../../../protocol/build-options.ts";

/** `shown`: in the help. `accepted`: not needed here, so it has no effect. `refused`: the call ends. */
export type Treatment = "shown" | "accepted" | "refused";

export interface BuildOption {
  /** As commander takes them: `-B, --bind <spec>`. */
  readonly flags: string;
  readonly treatment: Treatment;
  /** `shown`: the line of the help. `accepted`: why it is not needed. `refused`: the remedy. */
  readonly text: string;
  /** The kinds of recipe that it is for; absent: both. */
  readonly only?: Backend;
  readonly group?: string;
  readonly choices?: readonly string[];
  /** True: may be repeated. */
  readonly repeatable?: true;
  /** The variables that set it, without APPTAINER_ or SINGULARITY_ (apptainer 1.4.5: cmd/internal/cli/build.go, EnvKeys). */
  readonly variables?: readonly string[];
}

export const GROUPS = {
  source: "Recipe:",
  args: "Build arguments:",
  definition: "Definition files only:",
  dockerfile: "Dockerfiles only:",
  builder: "Builder:",
  secrets: "Secrets and logins:",
  same: "The same build again:",
} as const;

const shown = (
  flags: string,
  text: string,
  more: Omit<BuildOption, "flags" | "treatment" | "text"> = {},
): BuildOption => ({
  flags,
  treatment: "shown",
  text,
  ...more,
});
const accepted = (flags: string, text: string, variables: readonly string[] = []): BuildOption => ({
  flags,
  treatment: "accepted",
  text,
  variables,
});
const refused = (flags: string, text: string, variables: readonly string[] = []): BuildOption => ({
  flags,
  treatment: "refused",
  text,
  variables,
});

const { source, args, definition, dockerfile, builder, secrets, same } = GROUPS;

const SHOWN: readonly BuildOption[] = [
  shown("-F, --force", "replace the image if it exists", { variables: ["FORCE"] }),
  shown("--file <file>", "the Dockerfile or definition file; RECIPE is then its folder, or left out", {
    group: source,
  }),
  shown("--context <directory>", "where the recipe's relative paths start (default: the working directory)", {
    group: source,
  }),
  shown("--transfer-context", "send that whole directory, except for what .cbignore or .dockerignore names", {
    group: source,
  }),
  shown(
    "--build-arg <name[=value]>",
    "value of an ARG, or of {{ name }}; without a value: your variable of that name",
    {
      group: args,
      repeatable: true,
    },
  ),
  shown("--build-arg-file <file>", "a file with a line NAME=VALUE for each build argument", { group: args }),
  shown("--warn-unused-build-args", "go on when the recipe does not use a build argument", { group: args }),
  shown("-T, --notest", "do not run %test", { group: definition, only: "singularity", variables: ["NOTEST"] }),
  shown("--writable-tmpfs", "let %test write, into memory", {
    group: definition,
    only: "singularity",
    variables: ["WRITABLE_TMPFS"],
  }),
  shown("-B, --bind <src[:dest[:ro]]>", "send a file or folder, and mount it in %post and %test", {
    group: definition,
    only: "singularity",
    repeatable: true,
  }),
  shown("--mount <spec>", "the same: type=bind,source=SRC,destination=DEST[,ro]", {
    group: definition,
    only: "singularity",
    repeatable: true,
  }),
  shown("--library <url>", "the library of library:// sources", {
    group: definition,
    only: "singularity",
    variables: ["LIBRARY"],
  }),
  shown("--nv", "let %post and %test use an NVIDIA GPU, in a pool that has them", {
    group: definition,
    only: "singularity",
    variables: ["NV"],
  }),
  shown("--rocm", "the same with an AMD GPU", { group: definition, only: "singularity", variables: ["ROCM"] }),
  shown("--target <stage>", "build up to this stage", { group: dockerfile, only: "docker" }),
  shown("--label <name=value>", "add a label to the image", { group: dockerfile, only: "docker", repeatable: true }),
  shown("--arch <name>", "architecture of the image, e.g. aarch64 or arm64 (default: that of the pool)", {
    group: builder,
  }),
  shown("--arch-variant <name>", "variant of the architecture, e.g. v8", { group: builder }),
  shown("--platform <os/arch>", "the same in docker's form, e.g. linux/arm64", { group: builder }),
  shown("--compression <how>", "how the image is compressed (default: as the site has it)", {
    group: builder,
    choices: COMPRESSIONS,
  }),
  shown("--mksquashfs-args <text>", 'arguments for mksquashfs, e.g. "-comp zstd"', {
    group: builder,
    variables: ["MKSQUASHFS_ARGS"],
  }),
  shown(
    "--secret <id=name,src=file>",
    "a build secret, in /run/secrets: for %post, and RUN --mount=type=secret,id=NAME",
    { group: secrets, repeatable: true },
  ),
  shown("--authfile <file>", "a file with logins, as docker login writes it (default: the usual files)", {
    group: secrets,
  }),
  shown("--docker-username <name>", "user name for the registry of the recipe", {
    group: secrets,
    variables: ["DOCKER_USERNAME"],
  }),
  shown("--docker-password <password>", "its password; others can read it: set APPTAINER_DOCKER_PASSWORD", {
    group: secrets,
    variables: ["DOCKER_PASSWORD"],
  }),
  shown("--docker-login", "ask for user name and password on the terminal", { group: secrets }),
  shown("--rebuild", "build anew, whatever earlier builds there are", { group: same }),
  shown(
    "--reuse-build",
    "use an earlier build with the same inputs, also if a script of the recipe fetches something",
    {
      group: same,
    },
  ),
  shown("--no-cache", "the same as --rebuild, and debootstrap runs in place of a packed tree", { group: same }),
  shown("--pull", "the same as --rebuild", { group: same }),
];

const AS_ROOT = "a builder runs the build as root";
const NEW = "a builder is new for each build and keeps no cache";
const ACCEPTED: readonly BuildOption[] = [
  accepted("--fakeroot", AS_ROOT, ["FAKEROOT"]),
  accepted("--userns", AS_ROOT, ["USERNS"]),
  accepted("--ignore-subuid", AS_ROOT, ["IGNORE_SUBUID"]),
  accepted("--ignore-fakeroot-command", AS_ROOT, ["IGNORE_FAKEROOT_COMMAND"]),
  accepted("--ignore-userns", AS_ROOT, ["IGNORE_USERNS"]),
  accepted("--remote", "every build is remote"),
  accepted("--disable-cache", NEW, ["DISABLE_CACHE"]),
  accepted("--tmpdir <directory>", "a builder has a disk of its own", ["TMPDIR"]),
  accepted("--no-cleanup", "a builder is destroyed after its build", ["NO_CLEANUP"]),
  accepted("--rm", "a builder is destroyed after its build"),
  accepted("--force-rm", "a builder is destroyed after its build"),
];

const KEEP_PLAIN =
  "build without it, and encrypt the image where apptainer runs: apptainer build --encrypt NEW.sif IMAGE.sif";
const REGISTRY =
  "the image is a file: build IMAGE.sif, and push that with apptainer push IMAGE.sif oras://REGISTRY/NAME:TAG";
const NO_LAYERS = "leave it out: the site decides where your layers are kept, if it keeps them";
const REFUSED: readonly BuildOption[] = [
  refused("-f", "write -F or --force to replace an image, --file FILE to name a Dockerfile; --fakeroot is not needed"),
  refused("-s, --sandbox", "build IMAGE.sif, then unpack it: apptainer build --sandbox FOLDER IMAGE.sif", ["SANDBOX"]),
  refused("-u, --update", 'change the recipe instead; to build upon an image begin it with "Bootstrap: localimage"', [
    "UPDATE",
  ]),
  refused("--section <names>", "leave sections out of the recipe; --notest leaves %test out", ["SECTION"]),
  refused("--fix-perms", "add chmod -R u+rwX / to the end of %post", ["FIXPERMS"]),
  refused("-e, --encrypt", KEEP_PLAIN),
  refused("--passphrase", KEEP_PLAIN),
  refused("--pem-path <file>", KEEP_PLAIN),
  refused("--no-https", "an operator can allow a registry without TLS with plainHttp in the queue's configuration", [
    "NOHTTPS",
    "NO_HTTPS",
  ]),
  refused(
    "--docker-host <address>",
    "save the image to a file, docker save -o FILE IMAGE, and build docker-archive:FILE",
  ),
  refused("-t, --tag <name>", "IMAGE, the first argument, is the name of the image's file"),
  refused("--push", REGISTRY),
  refused("--load", "run the image with apptainer; docker does not load SIF files"),
  refused("--cache-from <name>", NO_LAYERS),
  refused("--cache-to <name>", NO_LAYERS),
  refused("--build-context <name=path>", "copy the files into the context, or use COPY --from=IMAGE"),
  refused(
    "--ssh <spec>",
    'give a deploy key: --secret id=key,src=FILE, and GIT_SSH_COMMAND="ssh -i /run/secrets/key" git clone in the recipe',
  ),
  refused("--network <mode>", "leave it out: a builder has the network that its site allows"),
  refused("--add-host <host:ip>", "write the line to /etc/hosts in the RUN that needs it"),
  refused("--squash", "leave it out: an image has one layer in any case"),
];

export const BUILD_OPTIONS: readonly BuildOption[] = [...SHOWN, ...ACCEPTED, ...REFUSED];

/** The long flag of an option, or its only one: `--bind`. */
export const flagOf = ({ flags }: Pick<BuildOption, "flags">): string => flags.replace(/^-\w, /, "").replace(/ .*/, "");
