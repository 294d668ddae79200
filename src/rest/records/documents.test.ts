import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { collectGarbage } from '../../../test/support/garbage.ts'
import { DocumentCutter, MalformedStream } from './documents.ts'

function cut(chunks: readonly string[], mostBytes = 1000): string[] {
  const documents: Buffer[] = []
  const cutter = new DocumentCutter(mostBytes)
  for (const chunk of chunks) cutter.push(Buffer.from(chunk), documents)
  cutter.end()
  return documents.map(String)
}

test('documents are found wherever the chunks end', () => {
  const documents = ['{"a":"}{\\"\\\\"}', '{}', '{"b":[{"c":[]}],"d":"é"}']
  for (const whole of [documents.join(''), documents.join('\n '), `[${documents.join(' ,')} ]\r\n`]) {
    const bytes = Buffer.from(whole)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 5 }), cuts => {
        const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const found: Buffer[] = []
        const cutter = new DocumentCutter(1000)
        for (let i = 1; i < ends.length; i++) cutter.push(bytes.subarray(ends[i - 1], ends[i]), found)
        cutter.end()
        assert.deepEqual(found.map(String), documents)
      }),
    )
  }
  assert.deepEqual(cut(['', ' ']), [])
  assert.deepEqual(cut(['[]']), [])
})

test('what is no sequence of objects is refused after the documents before it', () => {
  for (const rest of ['oops', '1', '"a"', ']', '{', '[{}']) {
    const documents: Buffer[] = []
    const cutter = new DocumentCutter(1000)
    assert.throws(() => {
      cutter.push(Buffer.from(`{"a":1} ${rest}`), documents)
      cutter.end()
    }, MalformedStream)
    assert.equal(documents.length, 1)
  }
  assert.throws(() => cut(['[{}', ']{}']), MalformedStream)
  assert.throws(() => cut(['[{}']), MalformedStream)
})

test('a document has a maximum size; many of them have none', () => {
  assert.equal(cut(Array(50).fill('{"a":"123456789"}'), 20).length, 50)
  assert.throws(() => cut(['{"a":"', '1234567890', '1234567890"}'], 20), MalformedStream)
})

test('a document that comes byte by byte does not take many times its size', () => {
  const cutter = new DocumentCutter(2 ** 21)
  const documents: Buffer[] = []
  cutter.push(Buffer.from('{"a":"'), documents)
  const heldBytes = () => {
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = heldBytes()
  for (let at = 0; at < 500_000; at++) cutter.push(Buffer.from('x'), documents)
  assert.ok(heldBytes() - before < 8 * 2 ** 20, `${heldBytes() - before} bytes`)
  cutter.push(Buffer.from('"}{}'), documents)
  cutter.end()
  assert.deepEqual(
    documents.map(each => each.length),
    [500_008, 2],
  )
})
