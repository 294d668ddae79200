/**
 * A transform in JavaScript. The script runs in QuickJS, an engine of its own within WebAssembly, without files, network, timers or modules, and within
 * limits of time and memory: whoever may configure a connector may not take over its worker.
 */
import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten'
import { int, intBytes, type System, string } from '../../base.ts'
import { type ConnectRecord, DataError, type Header, type SinkRecord } from '../../connector.ts'
import type { Refuse } from '../plugin-config.ts'
import { fromPlain, toPlain } from '../values/plain.ts'
import { defineTransform, type Transform } from './transform.ts'

/** TypeScript knows it in browsers only. */
declare const WebAssembly: { readonly Memory: new (pages: { initial: number; maximum: number }) => object }

interface Settings {
  readonly code: string
  readonly 'timeout.ms': number
  readonly 'memory.limit.bytes': number
}

export const javaScript = defineTransform({
  name: 'JavaScript',
  package: 'millrace.transforms.',
  isCode: true,
  sides: false,
  summary: 'changes or drops records by a function in JavaScript, in a sandbox',
  keys: {
    code: string({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      doc: 'Defines function transform(record), which returns the record, changed or not, or null to drop it. A record has topic, partition, offset, timestamp, key, value and headers, a list of {name, value}. Integers beyond 2^53 are BigInts, bytes are a Uint8Array, decimals are text.',
    }),
    'timeout.ms': int({ default: 1000, min: 1, max: 60_000, unit: 'ms', doc: 'How long one record may take.' }),
    'memory.limit.bytes': intBytes({
      default: 16 * 2 ** 20,
      min: 2 ** 20,
      max: 2 ** 30,
      doc: 'How much memory the script may use, besides the 16 MiB of its engine.',
    }),
  },
  async open(settings, { system, refuse }) {
    const { newQuickJSWASMModule, newVariant, RELEASE_SYNC } = await import('quickjs-emscripten')
    // The engine's own limit counts nothing but its largest requests, so the memory itself is limited, of which each script has its own.
    const most = enginePages + Math.ceil(settings['memory.limit.bytes'] / pageBytes)
    const wasmMemory = new WebAssembly.Memory({ initial: enginePages, maximum: most })
    return new Script(await newQuickJSWASMModule(newVariant(RELEASE_SYNC, { wasmMemory })), settings, system, refuse)
  },
})

/** Values that JSON does not know, each as an object with one property whose name nobody uses. */
const mark = '\u0000'
const harness = `(() => {
  const mark = '\\u0000'
  const revive = (_, each) => {
    const special = typeof each === 'object' && each !== null ? each[mark] : undefined
    if (special === undefined) return each
    if (!special.startsWith('b')) return BigInt(special.slice(1))
    const bytes = new Uint8Array((special.length - 1) / 2)
    for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(special.substr(1 + 2 * at, 2), 16)
    return bytes
  }
  const replace = (_, each) => {
    if (typeof each === 'bigint') return { [mark]: 'i' + each }
    if (each instanceof Uint8Array) return { [mark]: 'b' + Array.from(each, byte => byte.toString(16).padStart(2, '0')).join('') }
    return each
  }
  return (transform, text) => {
    const result = transform(JSON.parse(text, revive))
    if (result === null || result === undefined || result === false) return ''
    if (typeof result !== 'object') throw new TypeError('transform must return a record or null')
    return JSON.stringify(result, replace)
  }
})()`
const mostStackBytes = 256 * 1024
const pageBytes = 65_536
/** With which the engine begins. */
const enginePages = 256
const loadForMs = 10_000

class Script implements Transform {
  readonly #settings: Settings
  readonly #system: System
  readonly #module: QuickJSWASMModule
  #deadline = 0
  #engine: Engine | null

  /** Throws InvalidConfig if the script cannot be loaded. */
  constructor(module: QuickJSWASMModule, settings: Settings, system: System, refuse: Refuse) {
    this.#module = module
    this.#settings = settings
    this.#system = system
    try {
      this.#engine = this.#start()
    } catch (error) {
      throw error instanceof ScriptFailed ? refuse('code', shortened(settings.code), error.message) : error
    }
  }

  apply: Transform['apply'] = record => {
    const text = encode(record)
    try {
      this.#engine ??= this.#start()
      this.#limit()
      const result = this.#engine.call(text)
      return result === '' ? null : decode(result, record)
    } catch (error) {
      if (!(error instanceof ScriptFailed)) throw error
      // What ran out of time or memory may have left anything behind.
      if (error.isOver) this.close()
      throw new DataError(error.message, error)
    }
  }

  close(): void {
    this.#engine?.close()
    this.#engine = null
  }

  #start(): Engine {
    const runtime = this.#module.newRuntime()
    runtime.setMaxStackSize(mostStackBytes)
    runtime.setInterruptHandler(() => this.#system.clock.monotonic() > this.#deadline)
    this.#deadline = this.#system.clock.monotonic() + loadForMs
    try {
      return new Engine(runtime, this.#settings)
    } catch (error) {
      runtime.dispose()
      throw error
    }
  }

  #limit(): void {
    this.#deadline = this.#system.clock.monotonic() + this.#settings['timeout.ms']
  }
}

class ScriptFailed extends Error {
  /** The time or the memory is used up. */
  readonly isOver: boolean

  constructor(message: string, isOver: boolean) {
    super(message)
    this.isOver = isOver
  }
}

class Engine {
  readonly #runtime: QuickJSRuntime
  readonly #context: QuickJSContext
  readonly #settings: Settings
  readonly #run: QuickJSHandle
  readonly #transform: QuickJSHandle

  constructor(runtime: QuickJSRuntime, settings: Settings) {
    this.#runtime = runtime
    this.#settings = settings
    this.#context = runtime.newContext()
    const made: QuickJSHandle[] = []
    try {
      made.push(this.#value(this.#context.evalCode(harness, 'harness.js')))
      this.#value(this.#context.evalCode(settings.code, 'transform.js')).dispose()
      made.push(this.#value(this.#context.evalCode('typeof transform === "function" ? transform : null', 'transform.js')))
      if (this.#context.typeof(made[1]!) !== 'function')
        throw new ScriptFailed('the script does not define function transform(record)', false)
    } catch (error) {
      for (const handle of made) handle.dispose()
      this.#context.dispose()
      throw error
    }
    this.#run = made[0]!
    this.#transform = made[1]!
  }

  call(text: string): string {
    const input = this.#context.newString(text)
    try {
      const result = this.#value(this.#context.callFunction(this.#run, this.#context.undefined, this.#transform, input))
      const shown = this.#context.typeof(result) === 'string' ? this.#context.getString(result) : null
      result.dispose()
      if (shown === null) throw new ScriptFailed('transform must return a record or null', false)
      return shown
    } finally {
      input.dispose()
    }
  }

  close(): void {
    this.#run.dispose()
    this.#transform.dispose()
    this.#context.dispose()
    this.#runtime.dispose()
  }

  #value(result: ReturnType<QuickJSContext['evalCode']>): QuickJSHandle {
    if (result.error === undefined) return result.value
    const error = this.#context.dump(result.error) as { name?: unknown; message?: unknown } | string | undefined
    result.error.dispose()
    const message = typeof error === 'object' && error !== null ? `${error.name}: ${error.message}` : String(error)
    if (/interrupted/.test(message)) throw new ScriptFailed(`the script takes more than ${this.#settings['timeout.ms']} ms`, true)
    // There may be no memory left for an error.
    if (/out of memory/.test(message) || message === '' || error === null || error === undefined)
      throw new ScriptFailed(`the script uses more than ${this.#settings['memory.limit.bytes']} bytes of memory`, true)
    throw new ScriptFailed(`the script failed: ${shortened(message)}`, false)
  }
}

function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function encode(record: ConnectRecord): string {
  const { topic, partition, timestampMs, headers } = record
  const { offset } = record as Partial<SinkRecord>
  return JSON.stringify(
    {
      topic,
      partition,
      offset: offset === undefined ? null : toPlain(offset),
      timestamp: toPlain(timestampMs),
      key: toPlain(record.key),
      value: toPlain(record.value),
      headers: headers.map(({ name, value }) => ({ name, value: toPlain(value) })),
    },
    function (this: Record<string, unknown>, name, each) {
      // Buffers have been asked for their JSON before.
      const raw = this[name]
      if (raw instanceof Uint8Array) return { [mark]: `b${Buffer.from(raw).toString('hex')}` }
      return typeof each === 'bigint' ? { [mark]: `i${each}` } : each
    },
  )
}

function revive(_: string, each: unknown): unknown {
  const special = typeof each === 'object' && each !== null ? (each as Record<string, unknown>)[mark] : undefined
  if (typeof special !== 'string') return each
  return special.startsWith('b') ? Buffer.from(special.slice(1), 'hex') : BigInt(special.slice(1))
}

/** What the script left out stays as it was. */
function decode(text: string, record: ConnectRecord): ConnectRecord {
  const result = JSON.parse(text, text.includes('\\u0000') ? revive : undefined) as Record<string, unknown>
  const { topic = record.topic, partition = record.partition, timestamp, key, value, headers } = result
  if (typeof topic !== 'string' || topic === '') throw new DataError('the script returned a record whose topic is no text')
  if (partition !== null && !(Number.isInteger(partition) && (partition as number) >= 0))
    throw new DataError('the script returned a record whose partition is no whole number')
  const newKey = key === undefined ? { schema: record.keySchema, value: record.key } : fromPlain(key, record.keySchema)
  const newValue = value === undefined ? { schema: record.valueSchema, value: record.value } : fromPlain(value, record.valueSchema)
  return {
    ...record,
    topic,
    partition: partition as number | null,
    timestampMs: timestamp === undefined ? record.timestampMs : timeOf(timestamp),
    keySchema: newKey.schema,
    key: newKey.value,
    valueSchema: newValue.schema,
    value: newValue.value,
    headers: headers === undefined ? record.headers : headersOf(headers, record.headers),
  }
}

function timeOf(timestamp: unknown): bigint | null {
  if (timestamp === null) return null
  if (typeof timestamp !== 'bigint' && !Number.isInteger(timestamp))
    throw new DataError('the script returned a record whose timestamp is no whole number')
  return BigInt(timestamp as number)
}

function headersOf(headers: unknown, before: readonly Header[]): Header[] {
  if (!Array.isArray(headers)) throw new DataError('the script returned a record whose headers are no list')
  return headers.map((header: unknown) => {
    const { name, value = null } = (header ?? {}) as Record<string, unknown>
    if (typeof name !== 'string') throw new DataError('the script returned a header without a name')
    const known = before.find(each => each.name === name)
    return { name, ...fromPlain(value, known === undefined ? null : known.schema) }
  })
}
