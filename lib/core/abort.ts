/** The one way to stop waiting for a promise when an abort signal fires. */

/**
 * Settles as `work` does, or rejects with `signal.reason` as soon as the signal is aborted. The work itself continues: pass it
 * the same signal if it can end early. If abandoned work rejects later, that rejection is handled here and never reported as
 * unhandled. Leaves no listener on the signal.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason);
    if (signal.aborted) abandon();
    signal.addEventListener("abort", abandon, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abandon));
  });
}
