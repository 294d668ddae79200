/**
 * What objects may be called: characters that no URL, no XML and no signature encodes, so a name is the same bytes everywhere. Names that a
 * URL library or a file system behind the store would resolve (`..`, `//`) are refused, too.
 */
import { assert } from '../../base.ts'

/** The most that one listing names. */
export const objectsPerList = 1_000

const allowed = /^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[A-Za-z0-9._/-]{1,900}$/

export function objectNameAllowed(name: string): boolean {
  return allowed.test(name)
}

/** Names are made by this program, so another one is a mistake of it. */
export function checkObjectName(name: string): void {
  assert(objectNameAllowed(name), `the object name ${JSON.stringify(name)} has only letters, digits, '.', '_', '-' and '/'`)
}
