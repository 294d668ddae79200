/** Connectors that do what no connector should, as `how` says. */
import { spawnSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { defineSink, defineSource, type SinkTask, type SourceRecord, type SourceTask, string, struct } from '../../src/connector.ts'

const never = new Promise<never>(() => {})
const forever = () => {
  for (;;);
}
const thrower = () => {
  throw new Error('even its message throws')
}
const kept: unknown[] = []
const flood = () => {
  for (;;) process.stdout.write(`${'x'.repeat(100)}\n`)
}

/** What it does in the method that `how` names, as `METHOD WHAT`. */
const deeds: Readonly<Record<string, () => unknown>> = {
  throw: () => {
    throw new Error('thrown by the connector')
  },
  'throw-null': () => {
    throw null
  },
  'throw-odd': () => {
    throw Object.create(null)
  },
  'throw-cycle': () => {
    const error = new Error('goes in circles')
    error.cause = error
    throw error
  },
  'throw-getters': () => {
    throw Object.defineProperties(new Error('x'), {
      message: { get: thrower },
      stack: { get: thrower },
    })
  },
  'throw-huge': () => {
    throw new Error('y'.repeat(50_000_000))
  },
  'throw-secret': () => {
    throw new Error(`the pin is ${pin}`)
  },
  'later-null': () => {
    setTimeout(() => {
      throw null
    }, 1)
    return never
  },
  'later-secret': () => {
    setTimeout(() => {
      throw new Error(`the pin is ${pin}`)
    }, 1)
    return never
  },
  rejection: () => void Promise.reject(new Error('nobody heard it')),
  'rejection-null': () => void Promise.reject(null),
  exit: () => process.exit(7),
  forever,
  never: () => never,
  sleep: () => spawnSync('sleep', ['20']),
  leak: () => {
    for (;;) kept.push(Array.from({ length: 1_000 }, () => ({})))
  },
  'leak-bytes': () => {
    for (;;) kept.push(Buffer.alloc(1 << 23, 1))
  },
  stdout: flood,
  garbage: () => 42,
  timers: () => void setInterval(() => {}, 1),
  prototypes: () => {
    Object.assign(Array.prototype, { map: () => [], push: () => 0 })
    Object.defineProperty(Promise.prototype, 'finally', { value: undefined })
    JSON.stringify = () => '{}'
  },
  messages: () => {
    for (const each of [null, 1, {}, { kind: 'failed' }, { kind: 'log', level: 'constructor' }, { kind: 'metrics' }, { kind: 'ask' }])
      parentPort!.postMessage(each)
    return never
  },
}
let pin = ''

function doing(how: string) {
  const [where, what = ''] = how.split(' ')
  return <T>(method: string, usual: () => T): T => (method === where ? (deeds[what]!() as T) : usual())
}

const config = {
  how: string({ default: '', doc: 'What it does, and in which method.' }),
  'the.password': string({ default: '', doc: 'A secret.' }),
  mark: string({ default: '', doc: 'A file that a good one writes to.' }),
}

export const sink = defineSink({
  name: 'hostile-sink',
  classes: [],
  version: '1.0.0',
  summary: 'Does what it should not.',
  example: {},
  config,
  open: ((values: { how: string; 'the.password': string; mark: string }): unknown => {
    pin = values['the.password']
    const run = doing(values.how)
    return run('open', async () => ({
      opened: () => run('opened', async () => {}),
      put: () => run('put', async () => {}),
      flush: () => run('flush', async () => undefined),
      closed: () => run('closed', async () => {}),
      close: () => run('close', async () => {}),
    }))
  }) as () => Promise<SinkTask>,
})

function record(value: unknown): SourceRecord {
  return {
    ...{ topic: 'hostile', partition: null, keySchema: null, key: null, valueSchema: null, value: value as string, timestampMs: null },
    ...{ headers: [], sourcePartition: struct([['of', 'it']]), sourceOffset: struct([['at', 1]]) },
  }
}
const cycle: unknown[] = []
cycle.push(cycle)

/** What a poll gives. */
const records: Readonly<Record<string, () => unknown>> = {
  none: () => null,
  text: () => 'records',
  holes: () => [undefined],
  topic: () => [{ ...record('x'), topic: 5 }],
  partition: () => [{ ...record('x'), partition: 999 }],
  negative: () => [{ ...record('x'), partition: -7 }],
  headers: () => [{ ...record('x'), headers: undefined }],
  offset: () => [{ ...record('x'), sourceOffset: 'far' }],
  place: () => [{ ...record('x'), sourcePartition: cycle }],
  cyclic: () => [record(cycle)],
  huge: () => [record('z'.repeat(30_000_000))],
  timestamp: () => [{ ...record('x'), timestampMs: 'now' }],
  function: () => [record(() => 1)],
}

export const source = defineSource({
  name: 'hostile-source',
  classes: [],
  version: '1.0.0',
  summary: 'Does what it should not, each task something else.',
  example: {},
  config,
  tasks: async ({ how }) => how.split(';').map(each => ({ how: each })),
  open: ((values: { how: string; 'the.password': string; mark: string }): unknown => {
    pin = values['the.password']
    const run = doing(values.how)
    const [method, what = ''] = values.how.split(' ')
    return run('open', async () => ({
      poll: () =>
        run('poll', async () => {
          await new Promise(resolve => setTimeout(resolve, 50))
          if (values.mark !== '') appendFileSync(values.mark, 'x')
          return method === 'gives' ? records[what]!() : [record('x')]
        }),
      committed: () => run('committed', async () => {}),
      close: () => run('close', async () => {}),
    }))
  }) as () => Promise<SourceTask>,
})
