import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, MalformedInput } from './bytes.ts'
import { freeIfLarge } from './free-memory.ts'
import { type Int64, maxInt64, minInt64 } from './int64.ts'

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(1)
  write(writer)
  return writer.toBuffer()
}

function reader(hex: string): ByteReader {
  return new ByteReader(Buffer.from(hex, 'hex'))
}

test('whole numbers at their extremes', () => {
  const cases: ['Int8' | 'Int16' | 'Uint16' | 'Int32' | 'Uint32' | 'Int64', Int64, string][] = [
    ['Int8', -128, '80'],
    ['Int8', 127, '7f'],
    ['Int16', -32768, '8000'],
    ['Uint16', 65535, 'ffff'],
    ['Int32', -(2 ** 31), '80000000'],
    ['Int32', 2 ** 31 - 1, '7fffffff'],
    ['Uint32', 2 ** 32 - 1, 'ffffffff'],
    ['Int64', -1, 'ffffffffffffffff'],
    ['Int64', Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    ['Int64', Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
    ['Int64', -(2 ** 32), 'ffffffff00000000'],
    ['Int64', 2n ** 53n, '0020000000000000'],
    ['Int64', 2n ** 53n + 1n, '0020000000000001'],
    ['Int64', -(2n ** 53n), 'ffe0000000000000'],
    ['Int64', -(2n ** 53n) - 1n, 'ffdfffffffffffff'],
    ['Int64', 2n ** 60n + 1n, '1000000000000001'],
    ['Int64', maxInt64, '7fffffffffffffff'],
    ['Int64', minInt64, '8000000000000000'],
  ]
  for (const [type, value, hex] of cases) {
    assert.equal(written(w => w[`write${type}`](value as never)).toString('hex'), hex, `${type} ${value}`)
    assert.equal(reader(hex)[`read${type}`](), value, `${type} ${hex}`)
  }
})

test('a value outside its type is refused when written', () => {
  const bad: ((writer: ByteWriter) => void)[] = [
    w => w.writeInt8(128),
    w => w.writeInt16(-32769),
    w => w.writeUint16(-1),
    w => w.writeInt32(2 ** 31),
    w => w.writeInt32(0.5),
    w => w.writeUint32(-1),
    w => w.writeInt64(2 ** 53),
    w => w.writeInt64(maxInt64 + 1n),
    w => w.writeInt64(minInt64 - 1n),
    w => w.writeInt64(Number.NaN),
    w => w.writeInt32(undefined as never),
    w => w.writeBool(1 as never),
    w => w.writeString(null as never),
    w => w.writeString('x'.repeat(32768)),
    w => w.writeUuid('short'),
    w => w.writeUuid('!'.repeat(22)),
    w => w.writeBytes('text' as never),
  ]
  for (const write of bad) assert.throws(() => write(new ByteWriter()), RangeError, String(write))
})

test('variable-length numbers', () => {
  const varints: [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [-64, '7f'],
    [64, '8001'],
    [2 ** 31 - 1, 'feffffff0f'],
    [-(2 ** 31), 'ffffffff0f'],
  ]
  for (const [value, hex] of varints) {
    assert.equal(written(w => w.writeVarint(value)).toString('hex'), hex)
    assert.equal(reader(hex).readVarint(), value)
  }
  assert.equal(reader('ffffffff0f').readUvarint(), 2 ** 32 - 1)
})

test('variable-length numbers that do not end in time', () => {
  for (const hex of ['ffffffff1f', 'ffffffff8f00', '808080808000']) assert.throws(() => reader(hex).readUvarint(), MalformedInput, hex)
  assert.throws(() => reader('80').readUvarint(), MalformedInput)
})

test('strings: ASCII, other scripts, long ones, in both encodings', () => {
  for (const text of ['', 'orders', 'größe', '日本語', '🙂', 'x'.repeat(64), 'x'.repeat(65), 'ü'.repeat(500), 'x'.repeat(32767)]) {
    assert.equal(new ByteReader(written(w => w.writeString(text))).readString(), text)
    assert.equal(new ByteReader(written(w => w.writeCompactString(text))).readCompactString(), text)
    assert.equal(new ByteReader(written(w => w.writeNullableString(text))).readNullableString(), text)
    assert.equal(new ByteReader(written(w => w.writeCompactNullableString(text))).readCompactNullableString(), text)
  }
  assert.equal(reader('ffff').readNullableString(), null)
  assert.equal(reader('00').readCompactNullableString(), null)
})

test('malformed strings and bytes', () => {
  const bad: [string, (reader: ByteReader) => unknown][] = [
    ['ffff', r => r.readString()],
    ['fffe', r => r.readNullableString()],
    ['00', r => r.readCompactString()],
    ['000561626364', r => r.readString()],
    ['0001ff', r => r.readString()],
    ['0002c0af', r => r.readString()],
    ['0003eda080', r => r.readString()],
    ['818002', r => r.readCompactString()],
    ['ffffffff', r => r.readBytes()],
    ['fffffffe', r => r.readNullableBytes()],
    ['7fffffff00', r => r.readBytes()],
    ['ffffffff0f', r => r.readCompactBytes()],
    ['00', r => r.readCompactBytes()],
    ['000000', r => r.readInt32()],
    ['', r => r.readBool()],
  ]
  for (const [hex, read] of bad) assert.throws(() => read(reader(hex)), MalformedInput, `${hex} ${read}`)
  const long = Buffer.concat([Buffer.from('0080', 'hex'), Buffer.alloc(127, 'x'), Buffer.from([0xff])])
  assert.throws(() => new ByteReader(long).readString(), MalformedInput)
})

test('a count is refused when its elements cannot be there', () => {
  assert.equal(reader('00000002aabb').readCount(1), 2)
  assert.equal(reader('ffffffff').readCount(4), -1)
  assert.equal(reader('00').readCompactCount(4), -1)
  for (const hex of ['00000003aabb', '7fffffffaabb', 'fffffffe']) assert.throws(() => reader(hex).readCount(1), MalformedInput, hex)
  assert.throws(() => reader('ffffffff0f00').readCompactCount(1), MalformedInput)
})

test('a reader never leaves its window', () => {
  const within = new ByteReader(Buffer.from('0102030405060708', 'hex'), 2, 4)
  assert.equal(within.remaining, 2)
  assert.equal(within.readInt16(), 0x0304)
  assert.throws(() => within.readInt8(), MalformedInput)
  assert.throws(() => within.readSlice(-1), MalformedInput)
})

test('tags must ascend and fit', () => {
  const passed = reader('020001aa0302bbccff')
  passed.skipTags()
  assert.equal(passed.offset, 8)
  for (const hex of ['020001aa0001bb', '020301aa0101bb', '0100ff', '05']) assert.throws(() => reader(hex).skipTags(), MalformedInput, hex)
})

test('slices are views; large payloads are not copied when written', () => {
  const source = Buffer.from('00000003010203', 'hex')
  const slice = new ByteReader(source).readBytes()
  source[4] = 9
  assert.equal(slice[0], 9)

  const large = Buffer.alloc(5000, 7)
  const small = Buffer.from('small')
  const writer = new ByteWriter(8)
  writer.writeInt32(0)
  writer.writeCompactRecords([large, small, large])
  writer.writeInt16(5)
  const { buffers, length } = writer.finishFrame()
  assert.ok(buffers.includes(large))
  assert.equal(buffers.length, 5)
  const whole = Buffer.concat(buffers)
  assert.equal(whole.length, length)
  assert.equal(whole.readInt32BE(0), length - 4)
  const expected = Buffer.concat([large, small, large])
  const back = new ByteReader(whole, 4)
  assert.deepEqual(back.readCompactBytes(), expected)
  assert.equal(back.readInt16(), 5)
})

test('a buffer that grows keeps what was written before', () => {
  const writer = new ByteWriter(3)
  for (let index = 0; index < 10_000; index++) {
    if (index % 1000 === 0) writer.writeRaw(Buffer.alloc(4096, index / 1000))
    writer.writeInt32(index)
  }
  assert.equal(writer.length, 10_000 * 4 + 10 * 4096)
  const back = new ByteReader(writer.toBuffer())
  for (let index = 0; index < 10_000; index++) {
    if (index % 1000 === 0) assert.ok(back.readSlice(4096).every(byte => byte === index / 1000))
    assert.equal(back.readInt32(), index)
  }
  assert.equal(back.remaining, 0)
})

test('floats and uuids', () => {
  for (const value of [0, -1.5, 1e300, Number.POSITIVE_INFINITY]) {
    assert.equal(new ByteReader(written(w => w.writeFloat64(value))).readFloat64(), value)
  }
  for (const hex of ['00'.repeat(16), '00112233445566778899aabbccddeeff', 'ff'.repeat(16)]) {
    const uuid = reader(hex).readUuid()
    assert.equal(uuid, Buffer.from(hex, 'hex').toString('base64url'))
    assert.equal(written(w => w.writeUuid(uuid)).toString('hex'), hex)
  }
})

test('cached texts and uuids are not taken for others, whatever their hash', () => {
  let seed = 1
  const random = (bound: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % bound
  // Few letters and short texts: many have the same length, and many share a slot of the table.
  const texts = Array.from({ length: 30_000 }, () => String.fromCharCode(...Array.from({ length: random(12) }, () => 97 + random(3))))
  const uuids = Array.from({ length: 30_000 }, () =>
    Buffer.from(Array.from({ length: 16 }, (_, index) => (index % 4 === 3 ? random(40) : 0))),
  )
  for (let round = 0; round < 2; round++) {
    for (const text of texts) assert.equal(new ByteReader(Buffer.from(text)).readUtf8(text.length), text)
    for (const uuid of uuids) {
      const text = uuid.toString('base64url')
      assert.equal(new ByteReader(uuid).readUuid(), text)
      assert.deepEqual(
        written(w => w.writeUuid(text)),
        uuid,
      )
    }
  }
})

test('the memory of a large buffer is given back at once; that of a small one, which others may share, is left alone', () => {
  const large = Buffer.allocUnsafeSlow(3 << 20)
  const view = large.subarray(4)
  freeIfLarge(view)
  assert.deepEqual([large.length, view.length, large.buffer.byteLength], [0, 0, 0])
  const [one, other] = [Buffer.from('one'), Buffer.from('other')]
  freeIfLarge(one)
  assert.deepEqual([one.toString(), other.toString()], ['one', 'other'])
})
