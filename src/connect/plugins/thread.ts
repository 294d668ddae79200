/** The thread of one module of `plugin.path`: says which connectors there are, and what these say of configurations, which come as texts. */
import { parentPort, workerData } from 'node:worker_threads'
import { hidesNothing, InvalidConfig, readValue, readValues } from '../../base.ts'
import type { ConnectorDefinition } from '../../connector.ts'
import { traceOf } from '../tasks/errors.ts'
import type { Asked, Described, FromPlugin, KeyFacts } from './foreign.ts'
import { definitionsOf } from './packages.ts'

const { file } = workerData as { file: string }
const tell = (message: FromPlugin) => parentPort!.postMessage(message)
const toldOf = (thrown: unknown) => {
  const error = hidesNothing.error(thrown)
  return { message: error.message, trace: traceOf(error) }
}

for (const stream of [process.stdout, process.stderr])
  stream.write = (_: unknown, ...rest: unknown[]) => {
    const written = rest.at(-1)
    if (typeof written === 'function') written()
    return true
  }

definitionsOf(file).then(
  definitions => {
    parentPort!.on('message', (asked: Asked) => void answer(definitions, asked))
    try {
      tell({ described: definitions.map(describe) })
    } catch (error) {
      tell({ failed: toldOf(error) })
    }
  },
  error => tell({ failed: toldOf(error) }),
)

function describe(definition: ConnectorDefinition): Described {
  const { name, classes, kind, version, summary, example, config, refuses = [] } = definition
  const keys = Object.entries(config ?? {}).map(([key, { parse: _, ...facts }]): [string, KeyFacts] => [key, facts])
  const can = (['check', 'tasks', 'recommend', 'exactlyOnce', 'transactionBoundaries'] as const).filter(
    each => typeof (definition as unknown as Record<string, unknown>)[each] === 'function',
  )
  return {
    name,
    classes: [...classes],
    kind,
    version,
    summary,
    example: { ...example },
    converter: (definition as { converter?: string }).converter ?? null,
    refuses,
    keys,
    can,
  } as Described
}

async function answer(definitions: readonly ConnectorDefinition[], { id, ...asked }: Asked): Promise<void> {
  try {
    tell({ id, result: await resultOf(definitions.find(each => each.name === asked.name)!, asked) })
  } catch (error) {
    tell({ id, error: toldOf(error) })
  }
}

async function resultOf(definition: ConnectorDefinition, { what, texts, most }: Omit<Asked, 'id'>): Promise<unknown> {
  if (what === 'read') return problemsOf(definition, texts)
  const given = Object.entries(texts).map(([key, text]): [string, string | undefined] => [key, text ?? undefined])
  const values = readValues(definition.config, Object.fromEntries(given))
  const ask = (definition as unknown as Record<string, (...own: unknown[]) => unknown>)[what]!
  switch (what) {
    case 'check':
    case 'recommend':
      return new Map(((await ask(values)) as Map<string, unknown> | undefined) ?? [])
    case 'tasks':
      return await ask(values, most)
    default:
      return (await ask(values)) === true
  }
}

function problemsOf({ config }: ConnectorDefinition, texts: Asked['texts']): Map<string, string> {
  const problems = new Map<string, string>()
  for (const [key, declared] of Object.entries(config))
    try {
      readValue(key, declared, texts[key] ?? undefined)
    } catch (error) {
      problems.set(key, error instanceof InvalidConfig ? error.message : `Invalid value for configuration ${key}: ${toldOf(error).message}`)
    }
  return problems
}
