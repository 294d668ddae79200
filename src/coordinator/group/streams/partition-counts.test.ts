import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decidePartitionCounts, TopicConfigurationProblem } from './partition-counts.ts'
import { info, subtopology } from './streams.testing.ts'
import type { Subtopology } from './streams-records.ts'

function decide(subtopologies: Subtopology[], existing: Record<string, number> = {}): Record<string, number> {
  return Object.fromEntries(decidePartitionCounts({ epoch: 0, subtopologies }, name => existing[name]))
}

function together(sourceTopics: number[], repartitionSourceTopics: number[]) {
  return { copartitionGroups: [{ sourceTopics, sourceTopicRegex: [], repartitionSourceTopics }] }
}

const rep = (partitions = 0) => ({ repartitionSourceTopics: [info('rep', partitions)] })

test('a repartition topic gets as many partitions as the largest source upstream, through several steps', () => {
  const chain = [
    subtopology('2', [], { repartitionSourceTopics: [info('two')], stateChangelogTopics: [info('log')] }),
    subtopology('1', [], { repartitionSourceTopics: [info('one')], repartitionSinkTopics: ['two'] }),
    subtopology('0', ['a', 'b'], { repartitionSinkTopics: ['one'] }),
  ]
  assert.deepEqual(decide(chain, { a: 2, b: 5 }), { one: 5, two: 5, log: 5 })
})

/** As Kafka has it: all subtopologies, round after round. */
function roundByRound(subtopologies: readonly Subtopology[], existing: Record<string, number>): Record<string, number> {
  const counts = new Map<string, number>()
  for (let waiting = true; waiting; ) {
    waiting = false
    for (const { sourceTopics, repartitionSourceTopics, repartitionSinkTopics } of subtopologies) {
      for (const sink of repartitionSinkTopics) {
        if (counts.has(sink)) continue
        const known = [...repartitionSourceTopics.map(({ name }) => counts.get(name)), ...sourceTopics.map(name => existing[name])]
        const partitions = known.filter(count => count !== undefined)
        if (partitions.length === 0) waiting = true
        else counts.set(sink, Math.max(...partitions))
      }
    }
  }
  return Object.fromEntries(counts)
}

test('the order in which sources become known is that of Kafka, whatever the order of the subtopologies', () => {
  let seed = 1
  const below = (bound: number) => {
    seed = (seed * 48_271) % (2 ** 31 - 1)
    return seed % bound
  }
  for (let round = 0; round < 500; round++) {
    const size = 2 + below(8)
    const chain = Array.from({ length: size }, (_, n) => {
      const repartition = Array.from({ length: n === 0 ? 0 : 1 + below(2) }, () => info(`r${below(n)}`))
      const sources = n === 0 || below(3) === 0 ? [`s${below(4)}`] : []
      return subtopology(`${n}`, sources, { repartitionSourceTopics: repartition, repartitionSinkTopics: [`r${n}`] })
    })
    const shuffled = chain
      .map(each => ({ each, at: below(1_000) }))
      .sort((a, b) => a.at - b.at)
      .map(({ each }) => each)
    const existing = { s0: 1, s1: 4, s2: 2, s3: 9 }
    const { ...decided } = decide(shuffled, existing)
    assert.deepEqual(decided, roundByRound(shuffled, existing), JSON.stringify(shuffled))
  }
})

test('ten thousand subtopologies in reverse order are processed once each', () => {
  const chain = Array.from({ length: 10_000 }, (_, n) =>
    n === 0
      ? subtopology('0', ['a'], { repartitionSinkTopics: ['r0'] })
      : subtopology(`${n}`, [], { repartitionSourceTopics: [info(`r${n - 1}`)], repartitionSinkTopics: [`r${n}`] }),
  ).reverse()
  let looks = 0
  const counts = decidePartitionCounts({ epoch: 0, subtopologies: chain }, name => {
    looks++
    return name === 'a' ? 3 : undefined
  })
  assert.equal(counts.get('r9999'), 3)
  assert.ok(looks < 50_000, `${looks} looks`)
})

test('a fixed count is kept, and its dependents get their changelogs', () => {
  const fixed = [
    subtopology('0', ['a'], { repartitionSinkTopics: ['rep'] }),
    subtopology('1', [], { ...rep(7), stateChangelogTopics: [info('log')] }),
  ]
  assert.deepEqual(decide(fixed, { a: 2 }), { rep: 7, log: 7 })
})

test('a changelog has a partition for each task of its subtopology', () => {
  assert.deepEqual(decide([subtopology('0', ['a', 'b'], { stateChangelogTopics: [info('log')] })], { a: 2, b: 3 }), { log: 3 })
})

test('what is joined has the same number of partitions', () => {
  const writer = subtopology('0', ['big'], { repartitionSinkTopics: ['rep'] })
  const joined = (more: object) => [writer, subtopology('1', ['a', 'b'], { ...rep(), ...more })]
  // The topic that exists leads; the repartition topic follows.
  assert.deepEqual(decide(joined(together([0], [0])), { big: 9, a: 4, b: 1 }), { rep: 4 })
  assert.throws(() => decide(joined(together([0, 1], [])), { big: 9, a: 4, b: 1 }), {
    name: 'TopicConfigurationProblem',
    status: 'INCORRECTLY_PARTITIONED_TOPICS',
    message: 'Following topics do not have the same number of partitions: [{a=4, b=1}]',
  })
  const fixed = [writer, subtopology('1', ['a'], { ...rep(3), ...together([0], [0]) })]
  assert.throws(() => decide(fixed, { big: 9, a: 4 }), TopicConfigurationProblem)
})

test('joined repartition topics follow the fixed one, else the largest', () => {
  const writers = [subtopology('0', ['a'], { repartitionSinkTopics: ['x'] }), subtopology('1', ['b'], { repartitionSinkTopics: ['y'] })]
  const reader = (x: number, y: number) =>
    subtopology('2', [], { repartitionSourceTopics: [info('x', x), info('y', y)], ...together([], [0, 1]) })
  assert.deepEqual(decide([...writers, reader(0, 0)], { a: 2, b: 6 }), { x: 6, y: 6 })
  assert.deepEqual(decide([...writers, reader(3, 0)], { a: 2, b: 6 }), { x: 3, y: 3 })
  assert.throws(() => decide([...writers, reader(3, 4)], { a: 2, b: 6 }), TopicConfigurationProblem)
})

test('topologies that no topics could satisfy are invalid', () => {
  const loop = [subtopology('0', [], { ...rep(), repartitionSinkTopics: ['rep'] })]
  assert.throws(() => decide(loop), { name: 'STREAMS_INVALID_TOPOLOGY', message: /loops/ })
  assert.throws(() => decide([subtopology('0', ['a'], rep())], { a: 1 }), {
    name: 'STREAMS_INVALID_TOPOLOGY',
    message: /never used as a sink/,
  })
})
