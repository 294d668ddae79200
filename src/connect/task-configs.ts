/** Which tasks a connector has, as configurations that are stored: what a provider gives, such as a password, is not among it. */
import { readValues } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { commonKeys } from './connector-keys.ts'
import type { Config } from './stores/config-state.ts'
import { kindOf } from './tasks/guard.ts'

type Given = Readonly<Record<string, string>>

/** `given`: as it is stored; `resolved`: with what providers give. Throws InvalidConfig, and what the connector throws. */
export async function makeTaskConfigs(definition: ConnectorDefinition, given: Given, resolved: Given): Promise<Config[]> {
  const { 'tasks.max': most, 'tasks.max.enforce': enforced } = readValues(commonKeys[definition.kind], resolved)
  const own = readValues(definition.config, resolved)
  const common = { ...given, 'task.class': taskClass(definition, given['connector.class'] ?? '') }
  if (definition.kind === 'sink') return Array.from({ length: most }, () => common)
  if (definition.tasks === undefined) return [common]
  const made = textsIn(await definition.tasks(own as never, most))
  if (enforced && made.length > most)
    throw new Error(
      `The connector ${given['name']} has generated ${made.length} tasks, which is greater than ${most}, the maximum number of tasks it is configured to create.`,
    )
  return made.map(each => ({ ...common, ...storable(each, given, resolved) }))
}

/** Throws TypeError for what are no configurations. */
function textsIn(made: unknown): readonly Given[] {
  if (!Array.isArray(made)) throw new TypeError(`tasks of the connector has given ${kindOf(made)} instead of configurations`)
  for (const [at, each] of made.entries()) {
    if (typeof each !== 'object' || each === null)
      throw new TypeError(`tasks of the connector has given ${kindOf(each)} as configuration ${at}`)
    for (const [key, value] of Object.entries(each))
      if (typeof value !== 'string')
        throw new TypeError(
          `configuration ${at} that tasks of the connector has given has ${kindOf(value)} as ${key}, which is to be a string`,
        )
  }
  return made as Given[]
}

/** As Java's worker names it, so that one of them in the same group can run the task. */
function taskClass({ name, classes }: ConnectorDefinition, asked: string): string {
  const java = asked.includes('.') ? asked : classes.find(each => each.endsWith(`.${asked}`) || each.endsWith(`.${asked}Connector`))
  return java === undefined ? name : java.replace(/Connector$/, 'Task')
}

/** Shorter ones may be parts of any text. */
const leastSecret = 4

/** What a provider gave is stored as what asks for it, also where a connector has made it a part of another value. */
function storable(made: Given, given: Given, resolved: Given): Given {
  const provided = Object.keys(given)
    .filter(key => /^\$\{[^}]+\}$/.test(given[key]!) && resolved[key] !== given[key] && resolved[key]!.length >= leastSecret)
    .sort((a, b) => resolved[b]!.length - resolved[a]!.length)
  const asAsked = (value: string) => provided.reduce((text, key) => text.replaceAll(resolved[key]!, () => given[key]!), value)
  return Object.fromEntries(
    Object.entries(made).map(([key, value]) => [key, value === resolved[key] ? (given[key] ?? value) : asAsked(value)]),
  )
}
