/**
 * Joins the output of Fixtures.java for the newest Kafka with that for the last one that knew older versions, and compresses it.
 * Usage: node pack.js NEWEST OLDEST TARGET
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

const [newest, oldest, target] = process.argv.slice(2)

/** @typedef {{ message: string, version: number }} Line */

/** @returns {Line[]} */
function read(directory, file) {
  const lines = readFileSync(`${directory}/${file}`, 'utf8').trimEnd().split('\n')
  return lines.map(line => JSON.parse(line))
}

/**
 * Of the oldest only versions below those that the newest still has.
 * @param {Line[]} first
 * @param {Line[]} candidates
 */
function dropped(first, candidates) {
  const least = new Map()
  for (const { message, version } of first) least.set(message, Math.min(version, least.get(message) ?? version))
  // Version 0 of the share group APIs was an early access that Kafka itself never spoke again.
  return candidates.filter(({ message, version }) => !/^Share/.test(message) && version < (least.get(message) ?? 0))
}

/** @param {object[]} lines */
function write(file, lines) {
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
