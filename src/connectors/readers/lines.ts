/** Files of lines: one JSON document each, or bytes between separators. */
import { isUtf8 } from 'node:buffer'
import { parseLossless } from '../../base.ts'
import { DataError, type Schema } from '../../connector.ts'
import { plainValue } from '../values/parsed.ts'
import { type Pages, pageValues, type Reader, type ReadSettings, type ReadValue, tooLong } from './reader.ts'

const text: Schema = { type: 'string' }
const binary: Schema = { type: 'bytes' }

export const jsonReader: Reader = {
  name: 'json',
  classes: ['io.confluent.connect.s3.format.json.JsonFormat'],
  async *readBytes(bytes, { mostBytes, jsonAsText }) {
    let line = 0
    for await (const lines of pieces(bytes, Buffer.from('\n'), mostBytes)) {
      const page: ReadValue[] = []
      for (const each of lines) {
        line++
        const json = textOf(each, line).trim()
        if (json !== '') page.push(jsonAsText ? { schema: text, value: json } : { schema: null, value: plainValue(parsedLine(json, line)) })
      }
      yield page
    }
  },
}

export const bytesReader: Reader = {
  name: 'bytes',
  classes: ['io.confluent.connect.s3.format.bytearray.ByteArrayFormat', 'io.confluent.connect.s3.format.string.StringFormat'],
  readBytes: (bytes, settings) => (settings.separator === '' ? whole(bytes, settings) : separated(bytes, settings)),
}

async function* whole(bytes: AsyncIterable<Buffer>, { mostBytes }: ReadSettings): Pages {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of bytes) {
    size += part.length
    if (size > mostBytes) throw tooLong(mostBytes)
    parts.push(part)
  }
  if (size > 0) yield [{ schema: binary, value: Buffer.concat(parts) }]
}

async function* separated(bytes: AsyncIterable<Buffer>, { separator, mostBytes }: ReadSettings): Pages {
  for await (const page of pieces(bytes, Buffer.from(separator), mostBytes))
    yield page.map(each => ({ schema: binary, value: Buffer.from(each) }))
}

/** What stands between separators; what follows the last one, if it is anything. */
async function* pieces(bytes: AsyncIterable<Buffer>, separator: Buffer, mostBytes: number): AsyncGenerator<Buffer[]> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const part of bytes) {
    // A separator may begin at the end of what was there before.
    let from = Math.max(0, rest.length - separator.length + 1)
    const all = rest.length === 0 ? part : Buffer.concat([rest, part])
    let begin = 0
    let page: Buffer[] = []
    for (let end = all.indexOf(separator, from); end !== -1; end = all.indexOf(separator, from)) {
      if (end - begin > mostBytes) throw tooLong(mostBytes)
      page.push(all.subarray(begin, end))
      begin = end + separator.length
      from = begin
      if (page.length === pageValues) {
        yield page
        page = []
      }
    }
    if (page.length > 0) yield page
    rest = all.subarray(begin)
    if (rest.length > mostBytes) throw tooLong(mostBytes)
  }
  if (rest.length > 0) yield [rest]
}

function textOf(bytes: Buffer, line: number): string {
  if (!isUtf8(bytes)) throw new DataError(`line ${line} is no UTF-8 text`)
  return bytes.toString()
}

function parsedLine(json: string, line: number): unknown {
  try {
    return parseLossless(json)
  } catch (error) {
    throw new DataError(`line ${line} is no JSON: ${(error as Error).message}`, error)
  }
}
