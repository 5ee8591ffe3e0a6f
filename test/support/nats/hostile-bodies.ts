/** Invalid bodies of messages: none of them is a valid request. */

/** Texts that would change a subject or a path if they were used as an id. */
const BAD_IDS = [
  "",
  "*",
  ">",
  "a.b",
  "a b",
  " ",
  "a\r\nPUB queue.cancel.ada 0\r\n\r\n",
  "\u0000",
  "../../etc/passwd",
  "60C95481-92F3-4491-94D3-14C45BFBC279",
  "60c95481-92f3-4491-94d3-14c45bfbc279.x",
  "x".repeat(60_000),
];

/** Values with a type that is wrong for every required field. */
const BAD_VALUES: readonly unknown[] = [null, true, -1, 1e308, [], [[]], {}, { toString: "x" }];

const NESTED = 20_000;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const json = (value: unknown): Uint8Array => text(JSON.stringify(value));

/** Pairs of a name for the report and a body. `maxBytes` is the server's payload limit. */
export function garbage(maxBytes: number): [string, Uint8Array][] {
  const list: [string, Uint8Array][] = [
    ["nothing", bytes()],
    ["a NUL", bytes(0)],
    ["bytes that are no UTF-8", bytes(0xff, 0xfe, 0xc3, 0x28)],
    ["a byte-order mark alone", bytes(0xef, 0xbb, 0xbf)],
    ["words", text("give me a builder")],
    ["half a request", text('{"v":1,"request":"')],
    ["protocol", text("\r\nPUB queue.cancel.ada 2\r\n{}\r\n")],
    ["nesting without end", text("[".repeat(NESTED))],
    ["deep nesting", text("[".repeat(NESTED) + "]".repeat(NESTED))],
    ["deep objects", text(`${'{"v":'.repeat(NESTED / 2)}1${"}".repeat(NESTED / 2)}`)],
    ["as many bytes as may be", new Uint8Array(maxBytes).fill(0x5b)],
    ["a long word", json("x".repeat(maxBytes - 2))],
    ["many fields", json(Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`f${at}`, at])))],
    ["a prototype", text('{"__proto__":{"v":1},"constructor":{"prototype":{"v":1}}}')],
  ];
  for (const value of [null, true, 7, "x", [], {}, [{ v: 1 }], { v: 1 }])
    list.push([JSON.stringify(value), json(value)]);
  return list;
}

/** Bodies with few bytes for each value, which take long to parse and check. Building them takes a second or two. */
export function crowded(maxBytes: number): [string, Uint8Array][] {
  const bytesLeft = maxBytes - 300;
  const list = (one: string): Uint8Array => text(`[${`${one},`.repeat(bytesLeft / (one.length + 1))}0]`);
  const [field, args] = ['"f1234567":0,', '{"v":1,"recipe":{"backend":"docker","text":"x","buildArgs":{'];
  const names = Array.from({ length: bytesLeft / field.length }, (_, at) => `"f${String(at).padStart(7, "0")}":`);
  return [
    ["a list of numbers", list("0")],
    ["a list of objects", list("{}")],
    ["a list of lists", list("[[[[]]]]")],
    ["nothing but fields", text(`{${names.join("0,")}0}`)],
    ["build arguments of a wrong type", text(`${args}${names.join("0,")}0}}}`)],
  ];
}

/** The request with one error: another version, or a required field that is missing, of another type, or not an id. */
export function distorted(request: Readonly<Record<string, unknown>>): [string, Uint8Array][] {
  const versions = [0, 2, "1", null, 1.5].map((v): [string, Uint8Array] => [
    `version ${JSON.stringify(v)}`,
    json({ ...request, v }),
  ]);
  const fields = Object.keys(request).filter((name) => name !== "v");
  return [...versions, ...fields.flatMap((name) => distortedField(request, name))];
}

function distortedField(request: Readonly<Record<string, unknown>>, name: string): [string, Uint8Array][] {
  const { [name]: right, ...without } = request;
  const wrong = (value: unknown): [string, Uint8Array] => [
    `${name} ${JSON.stringify(value).slice(0, 40)}`,
    json({ ...request, [name]: value }),
  ];
  if (typeof right === "object" && right !== null) {
    const inner = distorted(right as Record<string, unknown>).filter(([part]) => !part.startsWith("version"));
    const parts = inner.map(([part, body]): [string, Uint8Array] => {
      const value = JSON.parse(new TextDecoder().decode(body));
      return [`${name}.${part}`, json({ ...request, [name]: value })];
    });
    return [[`no ${name}`, json(without)], ...BAD_VALUES.map(wrong), ...parts];
  }
  const ids = typeof right === "string" ? BAD_IDS : [];
  // "7" and 0.5 are not whole numbers.
  return [[`no ${name}`, json(without)], ...[...BAD_VALUES, ...ids, "7", 0.5].map(wrong)];
}
