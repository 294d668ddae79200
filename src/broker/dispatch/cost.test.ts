import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distinct, distinctPairs } from './cost.ts'

test('repeats are removed, the last one counts', () => {
  assert.deepEqual(result(distinct(['b', 'a', 'b', 'c', 'a'])), ['b', 'a', 'c'])
  const x = { id: 'x', n: 1 }
  const y = { id: 'y', n: 2 }
  assert.deepEqual(result(distinct([x, y, { id: 'x', n: 3 }], group => group.id)), [{ id: 'x', n: 3 }, y])
})

test('a topic may come twice, each of its partitions once', () => {
  const topics = [
    {
      name: 'a',
      partitions: [
        { index: 0, offset: 1 },
        { index: 1, offset: 2 },
        { index: 0, offset: 3 },
      ],
    },
    { name: 'b', partitions: [] },
    {
      name: 'a',
      partitions: [
        { index: 1, offset: 4 },
        { index: 2, offset: 5 },
      ],
    },
    { name: 'b', partitions: [] },
  ]
  const left = result(
    distinctPairs(
      topics,
      topic => topic.name,
      'partitions',
      ({ index }) => index,
    ),
  )
  assert.deepEqual(left, [
    { name: 'a', partitions: [{ index: 0, offset: 3 }] },
    {
      name: 'a',
      partitions: [
        { index: 1, offset: 4 },
        { index: 2, offset: 5 },
      ],
    },
    { name: 'b', partitions: [] },
  ])
})

test('a group that asks for everything, and again', () => {
  const groups = [
    { id: 'g', topics: null },
    { id: 'g', topics: ['a'] },
    { id: 'h', topics: null },
  ]
  assert.deepEqual(result(distinctPairs(groups, ({ id }) => id, 'topics')), groups.slice(1))
})

test('of many names, in steps', () => {
  const names = Array.from({ length: 10_000 }, (_, n) => `name-${n % 5_000}`)
  assert.ok([...distinct(names)].length > 100)
  assert.ok([...distinctPairs([{ name: 'a', partitions: names }], ({ name }) => name, 'partitions')].length > 100)
  const topics = names.map(name => ({ name, partitions: [] }))
  assert.ok([...distinctPairs(topics, ({ name }) => name, 'partitions')].length > 100)
})

test('numbers that were chosen to lie in one bucket of a Set are as fast as others', () => {
  const chosen: number[] = []
  for (let number = 0; chosen.length < 20_000; number++) if ((engineHash(number) & 0x3fff) === 7) chosen.push(number)
  const began = process.threadCpuUsage()
  const [topic] = result(distinctPairs([{ name: 'a', partitions: chosen }], ({ name }) => name, 'partitions'))
  const { user } = process.threadCpuUsage(began)
  assert.equal(topic!.partitions.length, 20_000)
  assert.ok(user < 150_000, `${user / 1000} ms of processor time; a Set of them takes half a second`)
})

/** V8's ComputeUnseededHash. */
function engineHash(number: number): number {
  let hash = (~number + (number << 15)) | 0
  hash ^= hash >>> 12
  hash = (hash + (hash << 2)) | 0
  hash ^= hash >>> 4
  hash = Math.imul(hash, 2057)
  return (hash ^ (hash >>> 16)) & 0x3fffffff
}

function result<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}
