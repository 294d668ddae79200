/** Lists that a large cluster makes long: their text is made in pieces, so that no turn of the event loop is long, and no faster than it is read. */
import { Readable } from 'node:stream'
import type { Turns } from '../../base.ts'
import type { Links } from '../links.ts'

const pieceCharacters = 65_536

type Head = Pick<ReturnType<Links['list']>, 'kind' | 'metadata'>

interface Reply {
  header(name: string, value: string): unknown
}

/** What a handler returns. An error of `data` cuts the answer off. */
export function sendLong(turns: Turns, reply: Reply, head: Head, data: Iterable<object> | AsyncIterable<object>): never {
  reply.header('content-type', 'application/json')
  return Readable.from(textIn(turns, head, data)) as never
}

async function* textIn(turns: Turns, { kind, metadata }: Head, data: Iterable<object> | AsyncIterable<object>): AsyncGenerator<string> {
  let piece = `{"kind":${JSON.stringify(kind)},"metadata":${JSON.stringify(metadata)},"data":[`
  let separator = ''
  for await (const each of data) {
    if (turns.over) await turns.next()
    piece += separator + JSON.stringify(each)
    separator = ','
    if (piece.length < pieceCharacters) continue
    yield piece
    piece = ''
  }
  yield `${piece}]}`
}
