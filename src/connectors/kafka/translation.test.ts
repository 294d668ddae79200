import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeCheckpoint, decodeOffsetSync, encodeCheckpoint, encodeOffsetSync, type Run } from './formats.ts'
import { comesFromTarget, filter, type Naming, remoteTopic } from './names.ts'
import { extend, Translation } from './translation.ts'

const place = { topic: 't', partition: 0 }

/** Both sides of a copy: some offsets of the source are markers or compacted, some of the target, too. */
function copied(seed: number, count: number): [upstream: bigint, downstream: bigint][] {
  let [state, upstream, downstream] = [seed, 0n, 0n]
  const below = (most: number) => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) % most
  return Array.from({ length: count }, () => {
    upstream += BigInt(below(10) === 0 ? 1 + below(5) : 1)
    downstream += BigInt(below(10) === 0 ? 1 + below(5) : 1)
    return [upstream, downstream]
  })
}

test('an offset is translated to that of the same record where runs tell it, and never behind a record that is not read', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const pairs = copied(seed, 300)
    const runs: Run[] = []
    for (const [upstream, downstream] of pairs) extend(runs, { upstream, downstream, count: 1 })
    const translation = new Translation()
    for (const run of runs) if (seed % 2 === 0 || run.count > 3) translation.add(place, run)
    let exact = 0
    for (let offset = 0n; offset <= pairs.at(-1)![0] + 5n; offset++) {
      const next = pairs.find(([upstream]) => upstream >= offset)?.[1] ?? pairs.at(-1)![1] + 1n
      const found = translation.of(place, offset)
      if (found === null) continue
      assert.ok(found <= next, `${offset} is ${next}, and not ${found}`)
      const isSame = !pairs.some(([, downstream]) => downstream >= found && downstream < next)
      if (isSame) exact++
    }
    assert.ok(exact > pairs.length / 2, `${exact}`)
  }
})

test('what is known of a topic that was made again is forgotten, and the number of runs is bounded', () => {
  const translation = new Translation()
  translation.add(place, { upstream: 100n, downstream: 50n, count: 10 })
  assert.deepEqual(
    [99n, 100n, 105n, 110n, 500n].map(each => translation.of(place, each)),
    [null, 50n, 55n, 60n, 60n],
  )
  translation.add(place, { upstream: 5n, downstream: 61n, count: 1 })
  assert.deepEqual(
    [4n, 5n, 100n].map(each => translation.of(place, each)),
    [null, 61n, 62n],
  )
  for (let n = 0n; n < 100_000n; n++) translation.add(place, { upstream: 10n + 3n * n, downstream: 70n + 2n * n, count: 1 })
  assert.equal(translation.of(place, 5n), 61n)
  assert.equal(translation.of(place, 10n + 3n * 99_999n), 70n + 2n * 99_999n)
})

test('records in the format of MirrorMaker; of its own the count is one', () => {
  const { key, value } = encodeOffsetSync({ topic: 'ab', partition: 3 }, { upstream: 258n, downstream: 7n, count: 5 })
  assert.equal(key.toString('hex'), '0002616200000003')
  assert.equal(value.toString('hex'), '0000000000000102000000000000000700000005')
  assert.deepEqual(decodeOffsetSync(key, value), { topic: 'ab', partition: 3, upstream: 258n, downstream: 7n, count: 5 })
  assert.equal(decodeOffsetSync(key, value.subarray(0, 16)).count, 1)
  for (const bad of ['', '00', 'ffffffffffffffff0000000000000007', '0000000000000102000000000000000700000000'])
    assert.throws(() => decodeOffsetSync(key, Buffer.from(bad, 'hex')), bad)
  const checkpoint = { group: 'g', topic: 'eu.ab', partition: 1, upstream: 9n, downstream: 8n, metadata: 'm' }
  const written = encodeCheckpoint(checkpoint)
  assert.equal(written.key.toString('hex'), '000167000565752e616200000001')
  assert.equal(written.value.toString('hex'), '00000000000000000009000000000000000800016d')
  assert.deepEqual(decodeCheckpoint(written.key, written.value), checkpoint)
})

test('names of topics, and what is not copied back', () => {
  const naming: Naming = { source: 'eu', target: 'us', separator: '.', isIdentity: false }
  assert.deepEqual(
    ['orders', 'asia.orders'].map(each => remoteTopic(naming, each)),
    ['eu.orders', 'eu.asia.orders'],
  )
  const back = ['us.orders', 'asia.us.orders', 'us', 'orders.us', 'asia.orders']
  assert.deepEqual(
    back.map(each => comesFromTarget(naming, each)),
    [true, true, false, false, false],
  )
  const identity = { ...naming, isIdentity: true }
  assert.deepEqual(
    ['us.orders', 'heartbeats'].map(each => remoteTopic(identity, each)),
    ['us.orders', 'eu.heartbeats'],
  )
  const isWanted = filter(['a.*', 'b'], ['ab'])
  assert.deepEqual(['a', 'ab', 'abc', 'b', 'bb', 'xa'].map(isWanted), [true, false, true, true, false, false])
})
