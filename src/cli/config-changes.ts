/** Changes of configs from a command line. A key that is named twice is an error, because either value could be meant. */
import { UsageError } from './output.ts'

/** null resets a key to its default. */
export function configChanges(set: Iterable<readonly [string, string]>, unset: readonly string[] = []): Map<string, string | null> {
  const changes = new Map<string, string | null>()
  for (const [key, value] of [...set, ...unset.map(key => [key, null] as const)]) {
    if (changes.has(key)) throw new UsageError(`${key} is given twice`)
    changes.set(key, value)
  }
  return changes
}
