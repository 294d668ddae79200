/**
 * One key of several names. Names come from clients and may hold any character, so a separator alone would let two clients' names give
 * the same key.
 */
export function joinedKey(...names: readonly string[]): string {
  return JSON.stringify(names)
}
