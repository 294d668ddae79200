/** `millrace connectors`: what can be in the configuration of a connector, from its definition. */
import { nearestName } from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import { connectors, exampleOf } from '../connectors.ts'
import { CommandFailed, table, toJson, write } from './output.ts'

export async function describeConnectors(name: string | undefined, { json = false }: { json?: boolean }): Promise<void> {
  await write(await connectorsText(name, json))
}

/** What the command prints. */
export async function connectorsText(name: string | undefined, json: boolean): Promise<string> {
  if (name !== undefined) {
    const definition = await found(name)
    return json ? `${toJson(described(definition))}\n` : textOf(definition)
  }
  const all = await Promise.all(connectors.map(each => each.load()))
  const told = all.map(({ name: own, kind, summary, classes }) => ({ name: own, kind, summary, classes }))
  if (json) return `${toJson(told)}\n`
  return table(
    ['CONNECTOR', 'KIND', 'WHAT IT DOES'],
    told.map(each => [each.name, each.kind, each.summary]),
  )
}

async function found(name: string): Promise<ConnectorDefinition> {
  const listed = connectors.find(each => each.name === name || each.classes.includes(name))
  if (listed !== undefined) return await listed.load()
  const names = connectors.map(each => each.name)
  const near = nearestName(name, names)
  throw new CommandFailed(`there is no connector ${name}${near === null ? '.' : `. Did you mean ${near}?`} There are ${names.join(', ')}.`)
}

function described(definition: ConnectorDefinition) {
  const { name, kind, classes, summary, config } = definition
  const keys = Object.entries(config).map(([key, declared]) => ({
    name: key,
    type: declared.type,
    required: declared.required,
    default: declared.default,
    allowed: declared.allowed,
    importance: declared.importance,
    doc: declared.doc,
  }))
  return { name, kind, classes, summary, example: exampleOf(definition), keys }
}

function textOf(definition: ConnectorDefinition): string {
  const { name, kind, classes, summary, example, keys } = described(definition)
  const classLines = classes.map(each => `  also connector.class=${each}\n`).join('')
  const exampleLines = Object.entries({ name: `my-${name}`, ...example }).map(([key, value]) => `  ${key}=${value}\n`)
  const keyLines = keys.map(each => {
    const of = each.type === 'PASSWORD' ? 'secret' : each.allowed
    const value = each.required
      ? '; required'
      : each.default === null
        ? ''
        : each.default === ''
          ? '; default: empty'
          : `; default: ${each.default}`
    return `  ${each.name} (${of}${value})\n      ${each.doc}\n`
  })
  return `${name}, a ${kind}. ${summary}\n${classLines}\nExample:\n${exampleLines.join('')}\nKeys:\n${keyLines.join('')}`
}
