/** Keys that must be given because others have the values that they have; those that must be given always say so where they are declared. */
import { missingConfig } from '../base.ts'

export function missing(config: Readonly<Record<string, unknown>>, names: readonly string[]): Map<string, string> {
  const problems = new Map<string, string>()
  for (const name of names) {
    const value = config[name]
    if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) problems.set(name, missingConfig(name).message)
  }
  return problems
}

/** When a task is opened: of the first problem. */
export function requireNone(problems: ReadonlyMap<string, string>): void {
  for (const [name, problem] of problems) throw new Error(problem.includes(name) ? problem : `${name}: ${problem}`)
}
