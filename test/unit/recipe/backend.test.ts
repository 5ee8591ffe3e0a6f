import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { backendOf } from "../../../lib/recipe/backend.ts";

const test = suite("backend");

test("backendOf() recognises a definition file by its header: without From, in any case, after comments", () => {
  assert.is(backendOf("Bootstrap: docker\nFrom: debian\n", "r"), "singularity");
  assert.is(backendOf("# a comment\n\n  BOOTSTRAP : scratch\n", "r"), "singularity");
  assert.is(backendOf("Bootstrap: debootstrap\nMirrorURL: http://mirror.example/debian\n", "r"), "singularity");
  assert.is(backendOf("From: debian\nBootstrap: docker\n", "r"), "singularity");
});

test("backendOf() recognises a Dockerfile by FROM, or by ARG before it", () => {
  assert.is(backendOf("# syntax=docker/dockerfile:1\nFROM debian\n", "r"), "docker");
  assert.is(backendOf("ARG TAG=12\nFROM debian:$TAG\n", "r"), "docker");
});

test("backendOf() accepts CR LF, a byte order mark, and comments before the first line", () => {
  assert.is(backendOf("\uFEFF# a comment\r\n\r\nBootstrap: docker\r\nFrom: debian\r\n", "r"), "singularity");
  assert.is(backendOf("\uFEFF# escape=`\r\n\r\nfrom debian\r\n", "r"), "docker");
  assert.is(backendOf("FROM --platform=linux/amd64 debian AS build\n", "r"), "docker");
  assert.is(backendOf("from:debian\n", "r"), "singularity");
});

test("backendOf() refuses a file that begins with a section, as apptainer does", () => {
  assert.throws(() => backendOf("%post\n  true\nBootstrap: docker\nFrom: debian\n", "r"), /neither a definition file/);
});

test("backendOf() refuses any other file, and names the file and the remedy", () => {
  for (const text of ["#!/bin/sh\necho\n", "hello", "FROMAGE brie", "\n\n# only comments\n"]) {
    try {
      backendOf(text, "my.recipe");
      assert.unreachable(text);
    } catch (error) {
      assert.ok(error instanceof CbError);
      assert.is(error.kind, "usage");
      assert.match(error.message, "my.recipe");
      assert.match(error.hint ?? "", "--backend");
    }
  }
});

test.run();
