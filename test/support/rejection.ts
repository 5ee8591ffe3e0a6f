/** Promises that a test expects to reject, or awaits later. */

/** Returns the error that the promise rejects with, or undefined when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Marks a promise that the test awaits later. If the test fails first, an error of this promise is not reported in its place. */
export function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
