/** The status page in a real browser, with a real queue: its policy lets it work, and texts that a client chose stay text. */
// slow: installs Chromium, 300 MB with its libraries, and starts it several times.
import { execFile } from "node:child_process";
import { copyFileSync } from "node:fs";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { recipe } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack; url: string }>("status page in a browser");
const run = promisify(execFile);

test.before(async (world) => {
  await ensureTools({ need: ["chromium"], onStep: () => undefined });
  world.stack = await Stack.start();
  const { stdout } = await world.stack.run("cb-local", ["status"]);
  world.url = /^status page: (http:\S+)$/m.exec(stdout)?.[1] ?? "";
});
test.after(({ stack }) => stack.stop());

/** Longer than a reply takes; the browser's clock runs ahead of the real one while the page waits for nothing. */
const BUDGET_MS = 4_000;

/** The document after its script has run, with `width` in CSS pixels. */
async function documentOf({ stack, url }: { stack: Stack; url: string }, width = 1600) {
  const options = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    `--user-data-dir=${stack.path("browser")}`,
    `--window-size=${width},1000`,
    `--virtual-time-budget=${BUDGET_MS}`,
    "--enable-logging=stderr",
    "--dump-dom",
    url,
  ];
  const { stdout, stderr } = await run("chromium", options, { maxBuffer: 16 * 1024 * 1024 });
  const refusals = stderr.split("\n").filter((line) => /Content.Security.Policy|CONSOLE/.test(line));
  return { html: stdout, refusals };
}

test("the page shows a failed build with a hostile image name as text, and its policy refuses nothing of its own", async (world) => {
  const { stack } = world;
  const name = "<img src=x onerror=document.title='owned'>.sif";
  const failing = recipe(stack, "failing", "    exit 3");
  const waiting = recipe(stack, "waiting", "    /bin/busybox sleep 600");
  copyFileSync(waiting, stack.path("own.def"));
  const build = stack.start("container-builder", [stack.path(name), stack.path("own.def")]);
  await build.seen(/Connected to remote builder/);
  assert.is((await stack.run("container-builder", [stack.path("y.sif"), failing])).code, 1);
  const { html, refusals } = await documentOf(world);
  assert.equal(refusals, []);
  assert.ok(html.includes("&lt;img src=x onerror=document.title='owned'&gt;.sif"), html);
  assert.match(html, /<title>1 running, 0 waiting/);
  assert.match(html, /its recipe failed with exit code 255/);
  assert.match(html, /id="state" role="status"[^>]*>Ready</);
  build.kill("SIGINT");
  await build.finished;
});

test("the page says that the queue takes no builds while NATS is away", async (world) => {
  await world.stack.natsEnds("SIGKILL");
  await until("the queue is not ready", async () => (await fetch(`${world.url}readyz`)).status === 503);
  const { html } = await documentOf(world, 400);
  assert.match(html, /id="state" role="status"[^>]*>Not ready</);
  assert.match(html, /<b>Not ready: <\/b>not connected to NATS/);
  await world.stack.up();
});

test("without JavaScript the page names the data", async (world) => {
  // Chromium prints no document when scripts are disabled, so this is the document as the queue sends it.
  const html = await (await fetch(world.url)).text();
  assert.match(html, /<noscript>.*needs JavaScript.*status\.json/s);
  assert.match(html, />Loading</);
});

test.run();
