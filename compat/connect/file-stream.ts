/** Kafka's connectors for files as a plug-in of our worker, with the same offsets, so that either worker goes on where the other was. */
import { appendFileSync, closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { defineSink, defineSource, string, struct } from '../../src/connector.ts'

const kafkas = 'org.apache.kafka.connect.file.'
const file = string({ default: null, doc: 'The file.' })
const mostBytes = 1_048_576

const sink = defineSink({
  name: 'file-stream-sink',
  classes: [`${kafkas}FileStreamSinkConnector`],
  version: '1.0.0',
  summary: 'Writes values as lines.',
  example: { file: '/tmp/out' },
  config: { file },
  async open({ file: path }) {
    let lines = ''
    return {
      async put(records) {
        for (const { value } of records) lines += `${value}\n`
      },
      async flush() {
        if (lines !== '') appendFileSync(path!, lines)
        lines = ''
        return undefined
      },
      async close() {},
    }
  },
})

const source = defineSource({
  name: 'file-stream-source',
  classes: [`${kafkas}FileStreamSourceConnector`],
  version: '1.0.0',
  summary: 'Reads lines.',
  example: { file: '/tmp/in', topic: 'lines' },
  config: { file, topic: string({ default: null, doc: 'Where the lines go.' }) },
  exactlyOnce: () => true,
  async open({ file: path, topic }, context) {
    const sourcePartition = struct([['filename', path]])
    const [stored] = await context.storedOffsets([sourcePartition])
    let position = Number(stored?.['position'] ?? 0)
    return {
      async poll() {
        const text = existsSync(path!) ? readFrom(path!, position) : ''
        const lines = text.split('\n').slice(0, -1)
        if (lines.length === 0) await new Promise<void>(resolve => void context.system.timers.after(100, resolve))
        return lines.map(line => {
          position += Buffer.byteLength(line) + 1
          return {
            topic: topic!,
            partition: null,
            keySchema: null,
            key: null,
            valueSchema: { type: 'string' as const },
            value: line,
            timestampMs: null,
            headers: [],
            sourcePartition,
            sourceOffset: struct([['position', position]]),
          }
        })
      },
      async close() {},
    }
  },
})

export default [sink, source]

function readFrom(path: string, position: number): string {
  const left = Math.min(mostBytes, statSync(path).size - position)
  if (left <= 0) return ''
  const handle = openSync(path, 'r')
  const bytes = Buffer.alloc(left)
  readSync(handle, bytes, 0, left, position)
  closeSync(handle)
  return bytes.toString('utf8')
}
