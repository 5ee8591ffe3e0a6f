/** The language of comments, messages, documents and identifiers: each sentence names its actor, with the field's own term. */
import { codeOf } from "./code.ts";
import { commentsOf, messagesOf, type Prose } from "./prose.ts";
import { lineAt, type SourceFile } from "./source.ts";

/** A relative clause in the place of a noun. A question may open so. */
const OPENER = /^["'(*_]*(What|Who|Whom|Whoever|Whose|Whatever)\b/;

/** Pronouns that hide the actor. */
const PRONOUN = /\b(nobody|somebody|anybody|everybody|whoever|whose)\b/gi;

/** Metaphors of earlier versions, and the terms that replaced them. They may be in no comment, message, identifier or file name. */
const TERMS: Readonly<Record<string, string>> = {
  asker: "principal, user, builder or operator",
  desk: "BuildContext",
  door: "subscription or consumer proxy",
  doomed: "markedForDestroy",
  grip: "executor call",
  keeper: "supervisor or TokenCache",
  patience: "RetryPolicy",
  stranger: "unknown principal or unrecorded machine",
  stubborn: "ignoreAuthErrors",
  taker: "ImageTarget",
  unborn: "neverBooted",
  workplace: "WorkDir",
};

/** The same for names that are ordinary English in a sentence. */
const NAMES: Readonly<Record<string, string>> = {
  emptied: "bucketDeleted",
  hands: "dependencies",
  heard: "HeartbeatResult or received",
  hearing: "ReconcilerInputs",
  "made of": "builderImage",
};

interface Exception {
  readonly path: RegExp;
  readonly word: RegExp;
  readonly reason: string;
}

const EXCEPTIONS: readonly Exception[] = [
  { path: /^test\/tidy\//, word: /./, reason: "the rules spell what they forbid, and so do their tests" },
  {
    path: /^test\/openstack\/testbed\/tree/,
    word: /./,
    reason: "a change there makes the testbed be built again; the next change of the tree corrects its sentences",
  },
  { path: /^docs\/glossary\.md$/, word: /./, reason: "it says which term replaced which" },
];

/** A line for each place, which names the file, the line, the word and its remedy. */
export function badLanguage(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const found = [
      ...[...commentsOf(file), ...messagesOf(file)].flatMap((prose) => [...badOpeners(prose), ...badWords(prose)]),
      ...badIdentifiers(file),
      ...badPath(file),
    ];
    const allowed = EXCEPTIONS.filter(({ path }) => path.test(file.path));
    const isAllowed = ({ word }: Finding) => allowed.some((exception) => exception.word.test(word));
    return found
      .filter((finding) => !isAllowed(finding))
      .map(({ line, word, remedy }) => `${file.path}:${line} "${word}": ${remedy}`);
  });
}

interface Finding {
  readonly line: number;
  readonly word: string;
  readonly remedy: string;
}

function badOpeners({ line, text }: Prose): Finding[] {
  let at = 0;
  return sentencesOf(text).flatMap((sentence) => {
    const place = line + lineAt(text, at + sentence.search(/\S|$/)) - 1;
    at += sentence.length;
    const word = OPENER.exec(sentence.trim())?.[1];
    if (word === undefined || sentence.trim().endsWith("?")) return [];
    return [{ line: place, word, remedy: "name the actor or the thing instead" }];
  });
}

/** Each with the white space before it. A blank line ends a sentence too. */
function sentencesOf(text: string): string[] {
  return text.split(/(?<=[.!?:]["')*]*)(?=\s+["'(*_]*[A-Z])|(?=\n\s*\n)/);
}

function badWords({ line, text }: Prose): Finding[] {
  const at = (index: number) => line + lineAt(text, index) - 1;
  const pronouns = [...text.matchAll(PRONOUN)].map(({ 0: word, index }) => ({
    line: at(index),
    word,
    remedy: "say who: the client, the agent, the queue, an operator, another user, nats-server, the caller",
  }));
  const terms = [...text.matchAll(/[A-Za-z]+/g)].flatMap(({ 0: word, index }) => {
    const term = termIn([word.toLowerCase()], TERMS);
    return term === undefined ? [] : [{ line: at(index), word, remedy: `write ${TERMS[term]}` }];
  });
  return [...pronouns, ...terms];
}

function badIdentifiers({ path, text }: SourceFile): Finding[] {
  if (!/\.(ts|mjs)$/.test(path)) return [];
  const remedies = { ...TERMS, ...NAMES };
  return [...codeOf(text).matchAll(/[A-Za-z_$][\w$]*/g)].flatMap(({ 0: word, index }) => {
    const term = termIn(wordsOf(word), remedies);
    return term === undefined ? [] : [{ line: lineAt(text, index), word, remedy: `name it after ${remedies[term]}` }];
  });
}

function badPath({ path }: SourceFile): Finding[] {
  const term = termIn(path.toLowerCase().split(/[^a-z]+/), TERMS);
  return term === undefined ? [] : [{ line: 1, word: term, remedy: `name the file after ${TERMS[term]}` }];
}

/** The words of `camelCase`, `PascalCase` and `UPPER_CASE`, in lower case. */
function wordsOf(identifier: string): string[] {
  return identifier
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/);
}

/** A term of one or two words that is among successive words, in the singular or the plural. */
function termIn(words: readonly string[], terms: Readonly<Record<string, string>>): string | undefined {
  const pairs = words.map((word, index) => `${word} ${words[index + 1] ?? ""}`);
  return [...words, ...pairs]
    .flatMap((word) => [word, word.replace(/s$/, "")])
    .find((word) => Object.hasOwn(terms, word));
}
