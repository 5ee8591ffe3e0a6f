/** Unpacks an archive as an agent does, in a process of its own: `unpack-child ARCHIVE ROOT HIGHEST_ID`. */
import { createReadStream } from "node:fs";
import { unpackContext } from "../../../lib/recipe/context/unpack.ts";

const [archive = "", root = "", highestId = ""] = process.argv.slice(2);
await unpackContext(createReadStream(archive), { root, highestId: Number(highestId) });
