import { suite } from "uvu";
import * as assert from "uvu/assert";
import { causeText, failureCause, withBriefCause, withCause } from "../../../lib/recipe/failure-cause.ts";

const test = suite("failureCause");

const FATAL = "FATAL:   While performing build: ";

test("failureCause() finds the section of a definition file, the exit status of its script, and the lines before", () => {
  const tail = `INFO:    Running post scriptlet\r\n+ ls /nowhere\r\nls: /nowhere: No such file\r\n${FATAL}while running engine: while running %post section: exit status 7\r\n`;
  const cause = failureCause(tail, undefined);
  assert.equal(cause, { place: "%post", exitStatus: 7, lines: ["+ ls /nowhere", "ls: /nowhere: No such file"] });
  assert.is(causeText(cause), "%post ended with exit status 7");
});

test("failureCause() finds scripts other than %post", () => {
  const setup = failureCause(`+ false\n${FATAL}failed to run %setup script: exit status 2\n`, undefined);
  assert.equal(setup, { place: "%setup", exitStatus: 2, lines: ["+ false"] });
  const test = failureCause(`INFO: x\ntesting\n${FATAL}failed to execute %test script: exit status 3\n`, undefined);
  assert.equal(test, { place: "%test", exitStatus: 3, lines: ["testing"] });
});

test("failureCause() shows the report of apptainer when it names no section", () => {
  const tail = `INFO:    Starting build...\n${FATAL}conveyor failed to get: no such host`;
  const cause = failureCause(tail, undefined);
  assert.equal(cause, { lines: [`${FATAL}conveyor failed to get: no such host`] });
  assert.is(causeText(cause), undefined);
});

const DOCKERFILE = "FROM debian:12\nARG X=1\nRUN true\nRUN echo $X && \\\n  ls /nowhere\n";
const step = (text: string) =>
  `STEP 1/2: FROM x\n[2/2] STEP 2/2: ${text}\nls: cannot access\nsubprocess exited with status 2\nError: building at STEP "${text}": while running runtime: exit status 2\n`;

test("failureCause() finds the line of a Dockerfile's instruction, and buildah's messages are left out", () => {
  const recipe = { backend: "docker" as const, text: DOCKERFILE };
  const cause = failureCause(step("RUN echo $X &&   ls /nowhere"), recipe);
  assert.equal(cause, {
    place: "RUN echo $X &&   ls /nowhere",
    line: 4,
    exitStatus: 2,
    lines: ["ls: cannot access"],
  });
  assert.is(causeText(cause), "line 4 (RUN echo $X &&   ls /nowhere) ended with exit status 2");
});

test("failureCause() names no line when several instructions may be meant, or without the recipe", () => {
  const recipe = { backend: "docker" as const, text: DOCKERFILE };
  assert.is(failureCause(step("RUN echo 1"), recipe).line, undefined);
  assert.is(failureCause(step("RUN true"), recipe).line, 3);
  assert.is(failureCause(step("RUN true"), undefined).line, undefined);
});

test("failureCause() keeps eight lines of 200 characters, without escape sequences and invisible characters", () => {
  const tail = `${"a\n".repeat(20)}\u001b[31mred\u001b[0m\u202e\u0007x\n${"y".repeat(300)}\n`;
  const { lines } = failureCause(tail, undefined);
  assert.is(lines.length, 8);
  assert.is(lines.at(-2), "red x");
  assert.is(lines.at(-1), `${"y".repeat(199)}…`);
});

test("failureCause() takes the last report, which a recipe cannot print after the build", () => {
  const fake = `${FATAL}while running %pre section: exit status 9\n`;
  const cause = failureCause(`${fake}${FATAL}while running %post section: exit status 1\n`, undefined);
  assert.equal([cause.place, cause.exitStatus], ["%post", 1]);
});

test("failureCause() reads 16 KiB of hostile text within a second", () => {
  const began = performance.now();
  for (const piece of ['Error: building at STEP "', "FATAL:   While performing build: %", "exit status ", "\r", "%a "])
    failureCause(piece.repeat(16_384 / piece.length), { backend: "docker", text: DOCKERFILE });
  assert.ok(performance.now() - began < 1_000);
});

test("withBriefCause() names an instruction by its first word, and keeps a remedy and other reasons", () => {
  const run = { place: "RUN curl --token secret", line: 4, exitStatus: 22, lines: [] };
  const ended = "buildah build ended with exit code 22";
  assert.is(withBriefCause(`${ended}: out of memory`, run), "line 4 (RUN) ended with exit status 22: out of memory");
  assert.is(withBriefCause(ended, { place: "%post", exitStatus: 1, lines: [] }), "%post ended with exit status 1");
  assert.is(withBriefCause(ended, { lines: [] }), ended);
  assert.is(withBriefCause("ran for 5 minutes, the limit", run), "ran for 5 minutes, the limit");
});

test("withCause() puts the whole instruction in place of the program, and of the brief cause of a builder", () => {
  const run = { place: "RUN curl x", line: 4, exitStatus: 22, lines: [] };
  const ended = "buildah build ended with exit code 22: a remedy";
  const text = "line 4 (RUN curl x) ended with exit status 22: a remedy";
  assert.is(withCause(ended, run), text);
  assert.is(withCause(withBriefCause(ended, run), run), text);
  assert.is(withCause(ended, { lines: [] }), ended);
});

test.run();
