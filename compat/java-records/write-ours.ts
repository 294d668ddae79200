/**
 * Writes batches made by Millrace with the descriptions that Java must find in them: those which Java itself wrote of the same records
 * into the fixtures. `node write-ours.ts FILE`, then `./run.sh VERSION check FILE`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { batchesIn, buildBatch, forEachRecord, header, type NewRecord, openRecordConverter, retainRecords } from '../../src/protocol.ts'

interface Case {
  name: string
  bytes: Buffer
  description: string
}

const fixtures = new URL('../../src/protocol/records/fixtures/kafka-3.9.1.tsv.gz', import.meta.url)
const java: Case[] = gunzipSync(readFileSync(fixtures))
  .toString()
  .split('\n')
  .slice(0, -1)
  .map(line => {
    const [name, bytes, description] = line.split('\t')
    return { name: name!, bytes: Buffer.from(bytes!, 'base64'), description: description! }
  })
const converter = openRecordConverter({ inlineBytes: Number.MAX_SAFE_INTEGER })

/** Our bytes for what Java wrote under that name; null for cases that have no counterpart. */
async function ours({ name, bytes }: Case): Promise<Buffer | null> {
  if (name.startsWith('v2') || name.startsWith('producer') || name.startsWith('marker')) return rebuild(bytes)
  const conversion = /^to (\d) from (\d) of (.*)$/.exec(name)
  if (conversion !== null) return await toOld(conversion[3]!, Number(conversion[1]), Number(conversion[2]))
  const old = /^v([01]) (\w+) large$/.exec(name)
  if (old !== null) return await toOld(`v2 ${old[2]} large`, Number(old[1]), 0)
  return name.startsWith('compact out') ? compact(named(name.replace(' out ', ' in '))) : null
}

function rebuild(bytes: Buffer): Buffer {
  const records: NewRecord[] = []
  forEachRecord(bytes, ({ key, value, timestamp, headers }) => void records.push({ key, value, timestamp, headers }))
  return buildBatch({ ...header.readBatchHeader(bytes, 0), timestamp: header.maxTimestamp(bytes, 0), records })
}

async function toOld(source: string, toMagic: number, firstOffset: number): Promise<Buffer> {
  return await converter.convert({ kind: 'fetch', records: named(source), toMagic: toMagic === 0 ? 0 : 1, firstOffset })
}

function compact(bytes: Buffer): Buffer | null {
  const [batch] = batchesIn(bytes)
  const goes = ['k1', 'k3']
  return retainRecords(batch!, (record, of) => of.producerId !== 6 && !goes.includes(String(record.key)), {
    keepEmpty: true,
    deleteHorizonMs: 1_700_000_001_500,
  })
}

function named(name: string): Buffer {
  const found = java.find(one => one.name === name)
  if (found === undefined) throw new Error(`no fixture ${name}`)
  return found.bytes
}

const lines: string[] = []
for (const one of java) {
  const bytes = await ours(one)
  // An empty set (a control batch for an old consumer) has nothing for Java to read.
  if (bytes !== null && bytes.length > 0) lines.push([one.name, bytes.toString('base64'), one.description].join('\t'))
}
const file = process.argv[2]
if (file === undefined) throw new Error('usage: node write-ours.ts FILE')
writeFileSync(file, `${lines.join('\n')}\n`)
console.log(`${lines.length} cases written to ${file}`)
