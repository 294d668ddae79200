import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { forwardLines } from './forward-lines.ts'
import { LabelledPage, merge } from './metrics-page.ts'

async function forwarded(pieces: Iterable<Uint8Array | string>): Promise<string[]> {
  const written: string[] = []
  const stream = new PassThrough()
  forwardLines(stream, 2, { write: line => void written.push(line) })
  for (const piece of pieces) stream.write(piece)
  stream.end()
  await new Promise(resolve => stream.once('end', resolve))
  return written
}

test('lines are forwarded whole, however they arrive, and JSON lines say which broker wrote them', async () => {
  const text = Buffer.from('{"level":30,"msg":"ä€😀\u2028"}\n{}\nnot JSON\n\n{"level":40}\nthe end')
  const expected = ['{"broker":2,"level":30,"msg":"ä€😀\u2028"}', '{"broker":2}', 'not JSON', '{"broker":2,"level":40}', 'the end']
  for (const size of [1, 2, 3, 7, 1000]) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.subarray(index * size, (index + 1) * size))
    assert.deepEqual(
      await forwarded(pieces),
      expected.map(line => `${line}\n`),
    )
  }
})

test('a line without an end takes no more than a megabyte', async () => {
  const [line, next, ...more] = await forwarded([...Array.from({ length: 40 }, () => 'x'.repeat(100_000)), '\nnext\n'])
  assert.ok(line!.length <= 1_200_000, String(line!.length))
  assert.deepEqual([next, ...more], ['next\n'])
})

function page(brokerId: number, text: string, size = text.length): LabelledPage {
  const labelled = new LabelledPage(brokerId, 10_000)
  for (let at = 0; at < text.length; at += size) assert.ok(labelled.add(text.slice(at, at + size)))
  return labelled
}

test('pages become one, with each family once', () => {
  const one = '# HELP a A.\n# TYPE a counter\na 1\na{x="1"} 2\n# HELP b B.\n# TYPE b summary\nb_sum{} 3\nb_count 4\n'
  const other = '# HELP c C.\n# TYPE c gauge\nc +Inf\n\n# HELP a A, in other words.\n# TYPE a counter\na{x="}, \\"y"} 5 1700000000000\n'
  const expected = [
    '# HELP a A.',
    '# TYPE a counter',
    'a{broker="1"} 1',
    'a{broker="1",x="1"} 2',
    'a{broker="2",x="}, \\"y"} 5 1700000000000',
    '# HELP b B.',
    '# TYPE b summary',
    'b_sum{broker="1"} 3',
    'b_count{broker="1"} 4',
    '# HELP c C.',
    '# TYPE c gauge',
    'c{broker="2"} +Inf',
    '',
  ]
  for (const size of [1, 5, 1000]) assert.deepEqual([...merge([page(1, one, size), page(2, other, size)])].join('').split('\n'), expected)
})

test('a label that a client calls broker gets another name, so that Prometheus takes the page', () => {
  const sample = (labels: string) => [...merge([page(1, `# TYPE m gauge\nm{${labels}} 1\n`)])].join('').split('\n')[1]
  assert.equal(sample('broker="x",a="b"'), 'm{broker="1",exported_broker="x",a="b"} 1')
  assert.equal(sample('a="{broker=",broker="x"'), 'm{broker="1",a="{broker=",exported_broker="x"} 1')
  assert.equal(
    sample('a=",broker=\\"",exported_broker="y",broker="x"'),
    'm{broker="1",a=",broker=\\"",exported_broker="y",exported_exported_broker="x"} 1',
  )
})

test('a page that is too large is refused', () => {
  const labelled = new LabelledPage(1, 100)
  assert.deepEqual([labelled.add('a 1\n'.repeat(25)), labelled.add('a')], [true, false])
})
