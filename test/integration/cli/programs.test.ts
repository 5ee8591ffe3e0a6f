/** The command lines of all programs: version, help, and wrong commands. No program connects to a queue here. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GROUP_USAGE } from "../../../lib/cli/program.ts";
import { EXIT_CODES } from "../../../lib/core/exit-codes.ts";
import { VERSION } from "../../../lib/core/version.ts";

const test = suite("programs");

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAMS = readdirSync(join(ROOT, "cmd")).map((file) => file.replace(/\.ts$/, ""));
const CLIENTS = ["container-builder", "cb-attach", "cb-builds", "cb-cancel", "cb-images", "cb-logs", "cb-status"];

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "dist/bin", program), ...args], {
    encoding: "utf8",
    timeout: 30_000,
  });
  return { code: status, stdout, stderr };
}

/** The help texts that the tests have printed. */
const helps = new Map<string, string>();

test("cmd has the eleven programs", () => {
  assert.equal(PROGRAMS.length, 11);
});

for (const program of PROGRAMS) {
  test(`${program} --version prints the version of package.json`, () => {
    assert.equal(run(program, "--version"), { code: 0, stdout: `${VERSION}\n`, stderr: "" });
  });

  test(`${program} --help prints usage, examples, environment variables and exit codes`, () => {
    const { code, stdout, stderr } = run(program, "--help");
    helps.set(program, stdout);
    assert.equal([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^Usage: ${program} \\[options\\]`));
    assert.match(stdout, new RegExp(`\nExamples:\n  ${program} ?`));
    assert.match(stdout, /\nEnvironment variables:\n {2}[A-Z_]+/);
    assert.match(stdout, /\nExit codes:\n {2}0 +success\n/);
    for (const kind of ["usage", "bug", "config"] as const)
      assert.match(stdout, new RegExp(`\n  ${EXIT_CODES[kind]} +\\S`));
  });

  test(`${program} refuses an unknown option with exit code 64`, () => {
    const { code, stdout, stderr } = run(program, "--versoin");
    assert.equal([code, stdout], [64, ""]);
    assert.match(stderr, `${program}: unknown option '--versoin'\n  did you mean --version? see ${program} --help\n`);
  });
}

test("the help of each user's program names the variables of its settings", () => {
  for (const program of CLIENTS)
    for (const name of ["NATS_URL", "NATS_CREDS", "QUEUE_HOST", "XDG_CONFIG_HOME"])
      assert.match(helps.get(program) ?? "", `\n  ${name} `, program);
});

test("the help of container-builder calls the recipe a definition file or a Dockerfile", () => {
  assert.match(helps.get("container-builder") ?? "", /definition file or a\s+Dockerfile/);
});

test("-V and -h are short for --version and --help", () => {
  assert.is(run("cb-status", "-V").stdout, `${VERSION}\n`);
  assert.is(run("cb-status", "-h").stdout, helps.get("cb-status"));
});

test("cb-admin accepts its options before and after the command", () => {
  const id = "60c95481-92f3-4491-94d3-14c45bfbc279";
  const commandLines = [
    ["-c", "/nowhere.yaml", "plan"],
    ["plan", "-c", "/nowhere.yaml"],
    ["--json", "--config", "/nowhere.yaml", "plan"],
    ["--config", "/nowhere.yaml", "plan", "--json"],
    ["-c", "/nowhere.yaml", "user", "list", "--json"],
    ["user", "-c", "/nowhere.yaml", "list"],
    ["builders", "--console", "2", "-c", "/nowhere.yaml"],
    ["-c", "/nowhere.yaml", "builders", "--console", "2"],
    ["builders", "destroy", id, "-c", "/nowhere.yaml"],
    ["user", "revoke", "ada", "--debug", "-c", "/nowhere.yaml"],
  ];
  for (const args of commandLines) {
    const { code, stderr } = run("cb-admin", ...args);
    assert.is(code, 78, args.join(" "));
    assert.match(stderr, "cb-admin: cannot read /nowhere.yaml", args.join(" "));
  }
});

test("a program with a missing configuration names the file and the remedy", () => {
  for (const program of ["cb-queue", "cb-registry"]) {
    const { code, stderr } = run(program, "--config", "/nowhere.yaml");
    assert.is(code, 78, program);
    assert.match(stderr, `${program}: cannot read /nowhere.yaml: `);
    assert.match(stderr, /\n {2}write it, or name another file: --help shows how\n/);
  }
});

test("each command of cb-admin either refuses --json by name, or docs/json.md has its document", () => {
  const documents = readFileSync(join(ROOT, "docs/json.md"), "utf8");
  const leaves = leavesOf(JSON.parse(run("cb-admin", "--command-model").stdout) as Model);
  assert.ok(leaves.length > 20);
  for (const { path, words } of leaves) {
    const { code, stdout, stderr } = run("cb-admin", "--config", "/nowhere.yaml", "--json", ...words);
    assert.is.not(code, 0, path);
    assert.is(stdout, "", path);
    const isRefused = stderr.includes(`cb-admin ${path} has no JSON output`);
    assert.is(isRefused, !documents.includes(`\`${path}\``), `${path}: ${stderr}`);
  }
});

interface Model {
  readonly name: string;
  readonly usage: string;
  readonly commands: readonly Model[];
  readonly arguments: readonly { readonly term: string }[];
}

/** The commands that do something, each with a command line; its arguments name nothing that exists. */
function leavesOf(model: Model, above: readonly string[] = []): { path: string; words: string[] }[] {
  return model.commands.flatMap((command) => {
    const names = [...above, command.name];
    const values = command.arguments.filter(({ term }) => term.startsWith("<")).map(() => "/nowhere");
    return [
      ...(command.usage !== GROUP_USAGE ? [{ path: names.join(" "), words: [...names, ...values] }] : []),
      ...leavesOf(command, names),
    ];
  });
}

test("a wrong command causes exit code 64 and a suggestion", () => {
  const cases: [string, string[], RegExp][] = [
    ["cb-admin", ["plna"], /unknown command 'plna'\n {2}did you mean plan\? see cb-admin --help/],
    [
      "cb-admin",
      ["--json", "user", "lits"],
      /unknown command 'lits'\n {2}did you mean list\? see cb-admin user --help/,
    ],
    ["cb-admin", ["builders", "destory"], /unknown command 'destory'\n {2}did you mean destroy\?/],
    ["cb-admin", ["user"], /cb-admin user needs a command: add, revoke, list\n {2}see cb-admin user --help/],
    ["cb-admin", ["--json", "user", "add", "ada"], /cb-admin user add has no JSON output/],
    ["cb-admin", ["--json", "backup", "b"], /cb-admin backup has no JSON output/],
    ["cb-admin", ["--json", "builder-image", "disk", "b.raw"], /cb-admin builder-image disk has no JSON output/],
    ["cb-admin", ["plan", "--jsn"], /unknown option '--jsn'\n {2}did you mean --json\? see cb-admin plan --help/],
    ["cb-queue", ["--clouds"], /--clouds is a part of --check\n {2}write cb-queue --check --clouds/],
    ["cb-local", ["dwon"], /unknown command 'dwon'\n {2}did you mean down\? see cb-local --help/],
    ["cb-local", ["down", "--provider", "qemu"], /unknown option '--provider'\n {2}see cb-local down --help/],
  ];
  for (const [program, args, message] of cases) {
    const { code, stdout, stderr } = run(program, ...args);
    assert.equal([code, stdout], [64, ""], stderr);
    assert.match(stderr, message);
  }
});

test.run();
