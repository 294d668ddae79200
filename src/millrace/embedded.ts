/** Starts a broker in this process from {@link MillraceOptions}. */
import { memoryFileSystem, nearestName, realSystem } from '../base.ts'
import { loadBrokerConfig, processCount, startBroker } from '../broker.ts'
import { silentLogger } from '../logger.ts'
import type { Millrace, MillraceOptions } from '../millrace.ts'

const noDelays = { 'group.initial.rebalance.delay.ms': 0, 'group.streams.initial.rebalance.delay.ms': 0 }

const optionNames: readonly string[] = [
  'memory',
  'directory',
  'port',
  'config',
  'keepAlive',
  'logger',
  'onFatal',
] satisfies (keyof MillraceOptions)[]

export async function startEmbedded(options: MillraceOptions): Promise<Millrace> {
  checkOptions(options)
  const { memory = false, directory, port: wanted = 0 } = options
  const set = {
    listeners: `PLAINTEXT://127.0.0.1:${wanted}`,
    'http.listen': 'none',
    ...(memory ? noDelays : {}),
    ...(directory === undefined ? {} : { 'log.dirs': directory }),
    ...Object.fromEntries(Object.entries(options.config ?? {}).filter(isSet)),
  }
  const config = loadBrokerConfig({ set })
  if (processCount(config) > 1) throw new TypeError('processes: only `millrace start` runs several processes')
  const running = await startBroker({
    system: realSystem(memory ? memoryFileSystem() : undefined),
    config,
    logger: options.logger ?? silentLogger,
    onThisMachine: !memory,
    onFatal: options.onFatal ?? throwLater,
  })
  if (!(options.keepAlive ?? !(memory && wanted === 0))) running.unref()
  const port = running.ports.values().next().value!
  return {
    address: `127.0.0.1:${port}`,
    port,
    ports: running.ports,
    close: () => running.close(),
    [Symbol.asyncDispose]: () => running.close(),
  }
}

/** In JavaScript, a misspelled `memory` would write files to the working directory. */
function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('the options of startBroker must be an object')
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue
    const meant = nearestName(name, optionNames)
    throw new TypeError(
      name.includes('.')
        ? `unknown option ${name} of startBroker; configuration keys belong in \`config\``
        : `unknown option ${name} of startBroker${meant === null ? `; the options are ${optionNames.join(', ')}` : `. Did you mean ${meant}?`}`,
    )
  }
}

/** Without this type check, `{ 'log.dirs': process.env.DIR }` could create a directory named undefined. */
function isSet(entry: [string, unknown]): entry is [string, string | number | boolean] {
  return entry[1] !== undefined && entry[1] !== null
}

function throwLater(error: Error): void {
  queueMicrotask(() => {
    throw error
  })
}
