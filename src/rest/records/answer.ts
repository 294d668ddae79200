/** A list of records as an answer. A long one is sent in pieces: to put it together and to encode it at once would hold up the event loop. */
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Asking, Rest } from '../rest.ts'

/** In characters. */
const longAnswer = 1_048_576
const pieceLength = 262_144

/** `frame`: what stands before and after the records, which are JSON. */
export function sendList(
  rest: Rest,
  request: Asking,
  reply: Pick<FastifyReply, 'raw' | 'serializer'> & { send(payload: never): unknown },
  [before, after]: readonly [string, string],
  records: readonly string[],
): unknown {
  let length = 0
  for (const each of records) length += each.length
  if (length < longAnswer) return reply.serializer(String).send(`${before}${records.join(',')}${after}` as never)
  reply.raw.once('close', rest.unread.add(rest.identity(request).principal, length))
  return reply.send(Readable.from(pieces(before, records, after), { highWaterMark: 1 }) as never)
}

function* pieces(before: string, records: readonly string[], after: string): Generator<Buffer> {
  let text = before
  for (const [index, record] of records.entries()) {
    if (index > 0) text += ','
    if (text.length + record.length < pieceLength) text += record
    else {
      if (text !== '') yield Buffer.from(text)
      let from = 0
      while (record.length - from >= pieceLength) {
        const to = isHighSurrogate(record.charCodeAt(from + pieceLength - 1)) ? from + pieceLength - 1 : from + pieceLength
        yield Buffer.from(record.slice(from, to))
        from = to
      }
      text = record.slice(from)
    }
  }
  yield Buffer.from(text + after)
}

/** The first half of a character, which must not be encoded without the other. */
function isHighSurrogate(code: number): boolean {
  return code >= 0xd8_00 && code <= 0xdb_ff
}
