/** Promises that a test expects to fail, or leaves to themselves for a while. */

/** What a promise is rejected with; undefined when it is not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** To be awaited later. When the test fails before that, its own failure is reported and not this one's. */
export function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
