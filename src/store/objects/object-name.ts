/**
 * What objects may be called: characters that no URL, no XML and no signature encodes, so a name is the same bytes everywhere. Names that a
 * URL library or a file system behind the store would resolve (`..`, `//`) are refused, too.
 */
import { assert, type System } from '../../base.ts'

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

const drawnBytes = 6

/**
 * New names, with each call another one. They begin with the session that writes the object, so that what a dead session leaves behind is found by
 * one listing. A part of them is drawn at random, so that no name is ever used again: when the database was restored, or a standby that lagged has
 * taken over, another session may get the number of one that was forgotten, while a broker of before still writes and deletes by its names.
 */
export function objectNames(random: System['random'], kind: string): (session: number) => string {
  const drawn = Buffer.alloc(drawnBytes)
  random.fill(drawn)
  const end = drawn.toString('hex')
  let number = 0
  return session => `${session}/${kind}${++number}-${end}`
}
