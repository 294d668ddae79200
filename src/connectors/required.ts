/** What Kafka Connect says of keys that must be given: none of our keys has a type without default, so a connector's `check` says it. */
export function missing(config: Readonly<Record<string, unknown>>, names: readonly string[]): Map<string, string> {
  const problems = new Map<string, string>()
  for (const name of names) {
    const value = config[name]
    if (value === null || value === '' || (Array.isArray(value) && value.length === 0))
      problems.set(name, `Missing required configuration "${name}" which has no default value.`)
  }
  return problems
}

/** When a task is opened: of the first problem. */
export function requireNone(problems: ReadonlyMap<string, string>): void {
  for (const [name, problem] of problems) throw new Error(problem.includes(name) ? problem : `${name}: ${problem}`)
}
