/** Splits a stream of pieces of any size into chunks of exactly `chunkBytes`; only the last may be shorter. */
export async function* rechunk(source: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    let rest = piece;
    while (bytes + rest.length >= chunkBytes) {
      const taken = rest.subarray(0, chunkBytes - bytes);
      rest = rest.subarray(taken.length);
      yield pieces.length === 0 ? taken : Buffer.concat([...pieces, taken], chunkBytes);
      pieces = [];
      bytes = 0;
    }
    if (rest.length > 0) pieces.push(rest);
    bytes += rest.length;
  }
  if (bytes > 0) yield Buffer.concat(pieces, bytes);
}
