/** The stores of a worker that is alone: configurations in memory, because they come from files at each start, and offsets of sources in a file. */
import { parseLossless, type System, stringifyLossless } from '../../base.ts'
import { type ConfigChange, ConfigState, type Entry } from './config-state.ts'
import { type ConfigStore, encode } from './config-store.ts'
import { encodeOffset, type OffsetStore, OffsetTable } from './offset-store.ts'

export function memoryConfigStore(changed: (change: ConfigChange) => void): ConfigStore {
  const state = new ConfigState()
  const write = async (changes: readonly Entry[]) => {
    const made = changes.map(({ key, value }) => state.apply(key, encode(value), state.offset < 0n ? 0n : state.offset))
    for (const change of made) if (change !== null) changed(change)
  }
  return { state, lead: write, write, catchUp: async () => {}, retire() {}, close: async () => {} }
}

/** Java's serialized maps begin so. */
const javaMagic = Buffer.from([0xac, 0xed])

/** `file`: null keeps them in memory. Throws Error for a file that is none of these. */
export function fileOffsetStore(file: string | null, { files }: Pick<System, 'files'>): OffsetStore {
  const table = new OffsetTable()
  const stored = new Map<string, string>()
  const content = file === null ? null : files.readFile(file)
  if (content?.subarray(0, 2).equals(javaMagic))
    throw new Error(`offset.storage.file.filename: ${file} is a serialized Java object, which only Java can read; name another file`)
  for (const line of (content?.toString('utf8') ?? '').split('\n')) {
    if (line === '') continue
    const [key, value] = parseLossless(line) as [unknown, unknown]
    const [keyText, valueText] = [stringifyLossless(key), stringifyLossless(value)]
    table.apply(Buffer.from(keyText), Buffer.from(valueText))
    stored.set(keyText, valueText)
  }
  let writing: Promise<void> = Promise.resolve()
  const save = () => {
    if (file === null) return Promise.resolve()
    const text = Array.from(stored, ([key, value]) => `[${key},${value}]\n`).join('')
    writing = writing.catch(() => {}).then(() => files.replaceFile(file, Buffer.from(text)))
    return writing
  }
  return {
    offsets: connector => table.offsets(connector),
    find: (connector, partitions) => table.find(connector, partitions),
    keyOf: (connector, partition) => table.keyOf(connector, partition),
    async write(connector, changes) {
      for (const { partition, offset } of changes) {
        const key = table.keyOf(connector, partition)
        const value = encodeOffset(offset)
        table.apply(key, value)
        if (value === null) stored.delete(key.toString('utf8'))
        else stored.set(key.toString('utf8'), value.toString('utf8'))
      }
      await save()
    },
    catchUp: async () => {},
    close: () => writing,
  }
}
