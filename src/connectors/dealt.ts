/** What a connector has is dealt out to its tasks, one after the other: at most so many tasks, and one even for nothing. */
export function dealt<T>(all: readonly T[], most: number): T[][] {
  const tasks: T[][] = Array.from({ length: Math.max(1, Math.min(most, all.length)) }, () => [])
  for (const [at, one] of all.entries()) tasks[at % tasks.length]!.push(one)
  return tasks
}
