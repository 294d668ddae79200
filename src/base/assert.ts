/** Invariants, checked in production, too. A violation means that the program is wrong, not its input. */

/** Throws when `condition` is false. `message` says which invariant broke, with the values that show it. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
