/** The names of the levels of compatibility. */

export const levels = ['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE'] as const
export type Level = (typeof levels)[number]

/** Whether all versions count, and not only the latest one. */
export function isTransitiveLevel(level: Level): boolean {
  return level.endsWith('_TRANSITIVE')
}
