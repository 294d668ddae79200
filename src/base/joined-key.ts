/**
 * Joins several names into one key. Names come from clients and may contain any character, so with a plain separator the names of two
 * clients could result in the same key.
 */
export function joinedKey(...names: readonly string[]): string {
  return JSON.stringify(names)
}
