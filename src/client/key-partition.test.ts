import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compatibilityPartitioner } from '../library.ts'
import { murmur2, partitionOfKey } from './key-partition.ts'

test('keys are hashed as by Kafka', () => {
  // From UtilsTest.testMurmur2 of Apache Kafka.
  const known: [string, number][] = [
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ]
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

test('a record goes where the producer of the library sends it', () => {
  for (let length = 0; length < 300; length++) {
    const key = Buffer.from(Array.from({ length }, (_, at) => (at * 151 + length * 37) & 0xff))
    assert.equal(partitionOfKey(key, 7), compatibilityPartitioner({ topic: 't' }, key) % 7, `${length} bytes`)
  }
})
