/**
 * A sink without a worker around it, to be killed: puts records that are known beforehand, commits what the sink allows in a file, and after a start goes on
 * from there. `node driver.ts ORDER.json`; see {@link Order}.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { defaultValue, parseValue, realSystem } from '../../src/base.ts'
import { type Offsets, RetriableError, type SinkContext, type SinkDefinition } from '../../src/connector.ts'
import { connectors } from '../../src/connectors.ts'
import { recordAt, topic } from './records.ts'

export interface Order {
  readonly connector: string
  readonly config: Readonly<Record<string, string>>
  readonly partitions: number
  /** In each of them. */
  readonly records: number
  /** JSON: by partition, the offset that is committed. */
  readonly committed: string
}

const order = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Order
const batch = 500
const flushMs = 250

const listed = connectors.find(each => each.name === order.connector)
if (listed === undefined) throw new Error(`there is no connector ${order.connector}`)
const definition = (await listed.load()) as SinkDefinition
const values = Object.fromEntries(
  Object.entries(definition.config).map(([name, key]) => [
    name,
    order.config[name] === undefined ? defaultValue(name, key) : parseValue(name, key, order.config[name]).value,
  ]),
)

const committed: number[] = existsSync(order.committed)
  ? (JSON.parse(readFileSync(order.committed, 'utf8')) as number[])
  : Array.from({ length: order.partitions }, () => 0)
const next = [...committed]

const ending = new AbortController()
const context: SinkContext = {
  connector: 'compat',
  task: 0,
  system: realSystem(),
  log: {
    debug() {},
    info() {},
    warn: (fields, message) => console.error(message, fields),
    error: (fields, message) => console.error(message, fields),
  },
  signal: ending.signal,
  count() {},
  gauge() {},
  async report(_, error) {
    throw error
  },
  seek(offsets: Offsets) {
    for (const { partition, offset } of offsets) next[partition] = Number(offset)
  },
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      if (attempt === 0) console.error(`tried again: ${error.message}`)
      await new Promise(resolve => setTimeout(resolve, error.retryAfterMs ?? 200))
    }
}

const task = await definition.open(values as never, context)
await patiently(async () => await task.opened?.(Array.from({ length: order.partitions }, (_, partition) => ({ topic, partition }))))
let flushedMs = performance.now()

async function flush(): Promise<void> {
  const offsets = await patiently(() => task.flush())
  if (offsets === undefined) for (const partition of committed.keys()) committed[partition] = next[partition]!
  else for (const { partition, offset } of offsets) committed[partition] = Number(offset)
  writeFileSync(`${order.committed}.new`, JSON.stringify(committed))
  renameSync(`${order.committed}.new`, order.committed)
  flushedMs = performance.now()
}

while (committed.some(offset => offset < order.records)) {
  for (const [partition, from] of next.entries()) {
    const to = Math.min(from + batch, order.records)
    if (from >= to) continue
    const records = Array.from({ length: to - from }, (_, index) => recordAt(partition, from + index))
    await patiently(() => task.put(records))
    next[partition] = to
  }
  if (performance.now() - flushedMs > flushMs) await flush()
  if (next.every(offset => offset >= order.records)) await new Promise(resolve => setTimeout(resolve, flushMs))
}
await task.close()
ending.abort()
console.log('all committed')
process.exit(0)
