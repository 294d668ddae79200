import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { sendList } from './answer.ts'

async function sent(records: readonly string[]): Promise<{ text: string; isStream: boolean; counted: number }> {
  let counted = 0
  let payload: unknown
  const rest = { unread: { add: (_: string, length: number) => (counted = length) }, identity: () => ({ principal: 'User:a' }) }
  const reply = { raw: { once() {} }, serializer: () => reply, send: (given: unknown) => (payload = given) }
  sendList(rest as never, {} as never, reply as never, ['<', '>'], records)
  const isStream = payload instanceof Readable
  return { text: isStream ? await text(payload as Readable) : (payload as string), isStream, counted }
}

test('a short list is one text; a long one comes in pieces that are the same text, and counts as unread', async () => {
  assert.deepEqual(await sent([]), { text: '<>', isStream: false, counted: 0 })
  assert.deepEqual(await sent(['1', '2']), { text: '<1,2>', isStream: false, counted: 0 })
  const odd = `x${'😀'.repeat(400_000)}`
  for (const records of [[odd, odd], ['1', odd, '2', odd, '3'], Array.from({ length: 300_000 }, (_, at) => `"${at}é"`)]) {
    const { text: whole, isStream, counted } = await sent(records)
    assert.ok(isStream)
    assert.ok(whole === `<${records.join(',')}>`)
    assert.equal(
      counted,
      records.reduce((sum, { length }) => sum + length, 0),
    )
  }
})
