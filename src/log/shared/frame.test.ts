/** The body of a frame: what was written is read, and nothing that a damaged body says is believed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SeededRandom, seededRandom } from '../../../sim/world/random.ts'
import { crc32c } from '../../base.ts'
import { KafkaError, randomUuid } from '../../protocol.ts'
import { decodeFrame, encodeFrame, type Share, shareBytes } from './frame.ts'

const headerBytes = 16

interface Made {
  shares: Share[]
  /** One for each inline share. */
  inline: Buffer[]
  objects: string[]
  body: Buffer
}

function made(random: SeededRandom): Made {
  const objects = Array.from({ length: random.below(3) }, (_, nth) => `7/${nth}`)
  const inline: Buffer[] = []
  const shares = Array.from({ length: 1 + random.below(6) }, (): Share => {
    const object = random.below(objects.length + 1) - 1
    const length = object >= 0 ? 1 + random.below(2 ** 32 - 1) : random.below(3) * random.below(300)
    const baseOffset = random.chance(0.1) ? Number.MAX_SAFE_INTEGER - 1_000 : random.below(1_000_000)
    if (object === -1) {
      const bytes = Buffer.alloc(length)
      random.fill(bytes)
      inline.push(bytes)
    }
    return {
      topicId: randomUuid(random),
      partition: random.below(2 ** 31),
      leaderEpoch: random.below(2 ** 31),
      baseOffset,
      endOffset: length === 0 ? baseOffset : baseOffset + 1 + random.below(1_000),
      length,
      logStart: random.chance(0.8) ? -1 : random.below(1_000_000),
      released: random.chance(0.2),
      object,
      position: object >= 0 ? random.below(2 ** 32) : 0,
    }
  })
  return { shares, inline, objects, body: encodeFrame(shares, inline) }
}

const decoded = (body: Uint8Array, objects: readonly string[]) => decodeFrame({ session: 7, seq: 12, body, objects })

/** As if whoever damaged it had set the checksum right. */
function sealed(body: Buffer): Buffer {
  if (body.length >= 8) body.writeUInt32BE(crc32c(body.subarray(8)), 4)
  return body
}

const isDamage = (error: unknown) =>
  error instanceof KafkaError && error.name === 'KAFKA_STORAGE_ERROR' && /^Frame 12 of session 7 is damaged: ./.test(error.message)

test('what was written is read', () => {
  const random = seededRandom(1)
  for (let round = 0; round < 300; round++) {
    const { shares, inline, objects, body } = made(random)
    const frame = decoded(body, objects)
    let position = 0
    assert.deepEqual(
      frame.shares,
      shares.map(share => {
        if (share.object >= 0) return share
        position += share.length
        return { ...share, position: position - share.length }
      }),
    )
    const read = frame.shares.filter(share => share.object === -1).map(share => frame.inline(share))
    assert.deepEqual(read, inline)
  }
})

test('a frame without shares has no body', () => {
  assert.equal(encodeFrame([], []).length, 0)
  assert.deepEqual(decoded(new Uint8Array(0), []).shares, [])
})

test('each changed byte and each cut is found', () => {
  const random = seededRandom(2)
  for (let round = 0; round < 5; round++) {
    const { body, objects } = made(random)
    for (let at = 0; at < body.length; at++) {
      const changed = Buffer.from(body)
      changed[at] = changed[at]! ^ (1 + random.below(255))
      assert.throws(() => decoded(changed, objects), isDamage, `byte ${at}`)
    }
    for (let length = 1; length < body.length; length++) assert.throws(() => decoded(body.subarray(0, length), objects), isDamage)
    assert.throws(() => decoded(Buffer.concat([body, Buffer.alloc(1)]), objects), isDamage)
  }
})

test('nothing is believed because the checksum is right', () => {
  const random = seededRandom(3)
  let [refused, accepted] = [0, 0]
  for (let round = 0; round < 20_000; round++) {
    const { body, objects } = made(random)
    const changed = random.chance(0.2) ? Buffer.from(body.subarray(0, random.below(body.length) + 1)) : body
    const at = random.chance(0.2) ? random.below(changed.length) : random.below(Math.min(changed.length, headerBytes + shareBytes))
    const value = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
    changed.fill(value, at, Math.min(changed.length, at + random.pick([1, 1, 4, 8])))
    try {
      const frame = decoded(sealed(changed), objects)
      let inlineBytes = 0
      for (const share of frame.shares) {
        assert.ok(share.partition >= 0 && share.baseOffset >= 0 && share.logStart >= -1 && share.leaderEpoch >= -1)
        assert.ok(Number.isSafeInteger(share.endOffset) && share.endOffset >= share.baseOffset)
        assert.equal(share.length > 0, share.endOffset > share.baseOffset)
        if (share.object >= 0) assert.ok(objects[share.object] !== undefined && share.length > 0)
        else {
          assert.equal(frame.inline(share).length, share.length)
          inlineBytes += share.length
        }
      }
      assert.equal(headerBytes + frame.shares.length * shareBytes + inlineBytes, changed.length)
      accepted++
    } catch (error) {
      if (!isDamage(error)) throw error
      refused++
    }
  }
  assert.ok(refused > 5_000 && accepted > 1_000, `${refused} refused, ${accepted} accepted`)
})

test('a count of shares that cannot be there allocates nothing', () => {
  const { body, objects } = made(seededRandom(4))
  body.writeUInt32BE(0xffff_ffff, 8)
  assert.throws(() => decoded(sealed(body), objects), /bytes are too few for 4294967295 shares/)
})

test('a share that does not fit its bytes is a bug of whoever writes it', () => {
  const { shares } = made(seededRandom(5))
  const share: Share = { ...shares[0]!, baseOffset: 1, endOffset: 2, length: 10, object: -1 }
  assert.throws(() => encodeFrame([share], [Buffer.alloc(9)]), /assertion failed: 9 bytes of batches for shares of 10 bytes/)
})
