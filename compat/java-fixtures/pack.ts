/**
 * Joins the output of Fixtures.java for the newest Kafka with that for the last one that knew older versions, and compresses it.
 * Usage: node pack.ts NEWEST OLDEST TARGET
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

const [newest, oldest, target] = process.argv.slice(2) as [string, string, string]

interface Line {
  message: string
  version: number
}

function read(directory: string, file: string): Line[] {
  const lines = readFileSync(`${directory}/${file}`, 'utf8').trimEnd().split('\n')
  return lines.map(line => JSON.parse(line) as Line)
}

/** Of the oldest only versions below those that the newest still has. */
function dropped(first: readonly Line[], candidates: readonly Line[]): Line[] {
  const least = new Map<string, number>()
  for (const { message, version } of first) least.set(message, Math.min(version, least.get(message) ?? version))
  // Version 0 of the share group APIs was an early access that Kafka itself never spoke again.
  return candidates.filter(({ message, version }) => !/^Share/.test(message) && version < (least.get(message) ?? 0))
}

function write(file: string, lines: readonly object[]): void {
  const text = Buffer.from(lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: text.length }
  const packed = brotliCompressSync(text, { params })
  writeFileSync(`${target}/${file}.br`, packed)
  console.log(`${file}: ${lines.length} lines, ${text.length} bytes, ${packed.length} packed`)
}

mkdirSync(target, { recursive: true })
for (const file of ['definitions.ndjson', 'messages.ndjson']) {
  const first = read(newest, file)
  const old = dropped(first, read(oldest, file)).map(line => ({ ...line, kafka: '3.9' }))
  write(file, [...first, ...old])
}
write('errors.ndjson', read(newest, 'errors.ndjson'))
