import assert from 'node:assert/strict'
import { test } from 'node:test'
import zlib from 'node:zlib'
import lz4 from 'lz4-napi'
import snappy from 'snappy'
import { inflateAnew } from './compression/gzip.ts'
import { xxhash32 } from './compression/xxhash32.ts'
import { decompressAnew } from './compression/zstd.ts'
import { type CompressionType, compress, DecompressedTooLarge, decompress, Output, Scratch, unpack } from './compression.ts'
import { KafkaError } from './errors.ts'

const codecs: CompressionType[] = ['gzip', 'snappy', 'lz4', 'zstd']
const mebi = 1024 * 1024

/** Half noise, half text; the same for every run. */
function sample(bytes: number): Buffer {
  const data = Buffer.alloc(bytes, 'a line of text, again and again. ')
  for (let i = 0, state = 1; i < bytes; i += 2) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    if (i % 8192 < 4096) data[i] = state >>> 24
  }
  return data
}

test('every codec gives back what it took, at sizes around its block borders', () => {
  for (const type of [...codecs, 'none' as const])
    for (const size of [1, 100, 32_767, 32_768, 32_769, 65_536, 65_537, 5 * mebi]) {
      const data = sample(size)
      assert.ok(decompress(type, compress(type, data)).equals(data), `${type} ${size}`)
    }
})

test('levels are obeyed', () => {
  const data = sample(200_000)
  assert.ok(compress('gzip', data, { level: 9 }).length < compress('gzip', data, { level: 1 }).length)
  assert.ok(compress('zstd', data, { level: 19 }).length < compress('zstd', data, { level: -50 }).length)
})

test('snappy: bare blocks and joined streams are read, xerial framing is written', () => {
  const data = sample(100_000)
  assert.ok(decompress('snappy', snappy.compressSync(data)).equals(data))
  const framed = compress('snappy', data)
  assert.equal(framed.subarray(0, 16).toString('hex'), '82534e41505059000000000100000001')
  assert.ok(decompress('snappy', Buffer.concat([framed, framed])).equals(Buffer.concat([data, data])))
})

test('lz4: the checksum of v0 is written, rejected elsewhere, and not checked with v0', () => {
  const data = sample(1000)
  const right = compress('lz4', data)
  const broken = compress('lz4', data, { brokenLz4Checksum: true })
  assert.notEqual(right[6], broken[6])
  assert.throws(() => decompress('lz4', broken), KafkaError)
  const other = Buffer.from(right)
  other[6]! ^= 1
  for (const frame of [right, broken, other]) assert.ok(decompress('lz4', frame, { ignoreLz4Checksum: true }).equals(data))
})

test('lz4: content size, block and content checksums of other writers are read and checked', () => {
  const data = sample(300_000)
  const frame = lz4.compressFrameSync(data, { contentChecksum: true, blockChecksums: true })
  assert.ok(decompress('lz4', frame).equals(data))
  const damaged = Buffer.from(frame)
  damaged[damaged.length - 2]! ^= 1
  // Kafka does not look at the checksum of the content, other readers do.
  assert.ok(!unpack('lz4', frame).oddlyFramed && unpack('lz4', damaged).oddlyFramed)
  assert.throws(() => decompress('lz4', frame.subarray(0, -1)), KafkaError)
})

test('xxhash32 agrees with the published values', () => {
  const hash = (text: string): string => xxhash32(Buffer.from(text), 0, text.length).toString(16)
  assert.equal(hash(''), '2cc5d05')
  assert.equal(hash('a'), '550d7456')
  assert.equal(hash('abc'), '32d153ff')
  assert.equal(hash('Nobody inspects the spammish repetition'), 'e2293b2f')
})

/** Each of about 1 MiB or less. */
function bombs(): Record<string, [CompressionType, Buffer]> {
  const member = zlib.gzipSync(Buffer.alloc(16 * mebi), { level: 9 })
  const frame = lz4.compressFrameSync(Buffer.alloc(8 * mebi))
  const block = frame.subarray(7, 7 + 4 + frame.readUInt32LE(7))
  const lz4Bomb = Buffer.concat([frame.subarray(0, 7), ...Array<Buffer>(64).fill(block), Buffer.alloc(4)])
  return {
    'gzip to 1 GiB': ['gzip', Buffer.concat(Array<Buffer>(64).fill(member))],
    'zstd to 1 GiB': [
      'zstd',
      zlib.zstdCompressSync(Buffer.alloc(1024 * mebi), { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } }),
    ],
    'lz4 to 256 MiB': ['lz4', lz4Bomb],
  }
}

test('bombs are refused without being unpacked', () => {
  for (const [name, [type, data]] of Object.entries(bombs())) {
    assert.ok(data.length < 1.1 * mebi, `${name}: ${data.length}`)
    const before = process.memoryUsage().rss
    assert.throws(() => decompress(type, data, { maxBytes: 16 * mebi }), DecompressedTooLarge, name)
    assert.ok(process.memoryUsage().rss - before < 128 * mebi, `${name} took memory`)
  }
})

test('the cap of every codec is exact', () => {
  for (const type of codecs)
    for (const size of [1000, 70_000, 3 * mebi]) {
      const packed = compress(type, Buffer.alloc(size))
      assert.equal(decompress(type, packed, { maxBytes: size }).length, size, `${type} ${size}`)
      assert.throws(() => decompress(type, packed, { maxBytes: size - 1 }), DecompressedTooLarge, `${type} ${size}`)
    }
})

test('declared sizes are checked', () => {
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return bytes
  }
  const header = Buffer.from('82534e41505059000000000100000001', 'hex')
  const lies: [CompressionType, Buffer][] = [
    ['snappy', Buffer.concat([header, int32(2 ** 31), Buffer.from('abcd')])],
    ['snappy', Buffer.concat([header, int32(2 ** 31 - 1), Buffer.from('abcd')])],
    ['snappy', Buffer.concat([header, int32(0)])],
    ['snappy', Buffer.concat([header, int32(6), Buffer.from('ffffffff0f00', 'hex')])],
    ['snappy', Buffer.from('ffffffff0f00', 'hex')],
    ['snappy', Buffer.from('ffffff7f00', 'hex')],
    ['snappy', Buffer.from('80808080808000', 'hex')],
    ['lz4', Buffer.from('04224d186c40ffffffffffffff7f00', 'hex')],
    ['lz4', Buffer.from('04224d18607073ffffff7f00', 'hex')],
    ['zstd', Buffer.from('28b52ffde0ffffffffffffff7f010000', 'hex')],
  ]
  for (const [type, data] of lies) {
    const before = process.memoryUsage().rss
    const refused = (error: Error) => error.name === 'CORRUPT_MESSAGE' || error instanceof DecompressedTooLarge
    assert.throws(() => decompress(type, data), refused, data.toString('hex'))
    assert.ok(process.memoryUsage().rss - before < 64 * mebi, data.toString('hex'))
  }
})

const skippable = Buffer.from('5a2a4d180400000061626364', 'hex')
const emptyZstdFrame = Buffer.from('28b52ffd2000010000', 'hex')
const garbage = Buffer.from('garbage garbage')

/** A gzip member with more flags in its header. */
function withFlags(member: Buffer, flags: number): Buffer {
  const copy = Buffer.from(member)
  copy[3]! |= flags
  return copy
}

/** A frame of blocks that are stored, or, where a string tells their bytes in hex, compressed. */
function lz4Frame(blocks: (Buffer | string)[], { contentSize = -1, blockSizeId = 4 } = {}): Buffer {
  const descriptor = Buffer.alloc(contentSize < 0 ? 2 : 10)
  descriptor[0] = contentSize < 0 ? 0x60 : 0x68
  descriptor[1] = blockSizeId << 4
  if (contentSize >= 0) descriptor.writeBigUInt64LE(BigInt(contentSize), 2)
  const framed = blocks.flatMap(block => {
    const isStored = typeof block !== 'string'
    const bytes = isStored ? block : Buffer.from(block, 'hex')
    const size = Buffer.alloc(4)
    size.writeUInt32LE(bytes.length + (isStored ? 2 ** 31 : 0))
    return [size, bytes]
  })
  const checksum = Buffer.of((xxhash32(descriptor, 0, descriptor.length) >>> 8) & 0xff)
  return Buffer.concat([Buffer.from('04224d18', 'hex'), descriptor, checksum, ...framed, Buffer.alloc(4)])
}

/** In hex: so many literals, then a match of the byte before, if `match` is its length. */
function lz4Sequence(literals: number, match = 0): string {
  const nibble = (length: number): number => Math.min(length, 15)
  const more = (length: number): Buffer =>
    length < 15 ? Buffer.alloc(0) : Buffer.concat([Buffer.alloc(Math.floor((length - 15) / 255), 255), Buffer.of((length - 15) % 255)])
  const token = (nibble(literals) << 4) | (match === 0 ? 0 : nibble(match - 4))
  const copied = match === 0 ? [] : [Buffer.of(1, 0), more(match - 4)]
  return Buffer.concat([Buffer.of(token), more(literals), Buffer.alloc(literals, 'x'), ...copied]).toString('hex')
}

test('lz4: a block that does not end as every decoder requires is rejected, or treated as odd', () => {
  const most = 65_536
  const blocks: ['plain' | 'odd' | 'refused', string][] = [
    ['plain', lz4Sequence(20)],
    ['plain', lz4Sequence(1, 4) + lz4Sequence(5)],
    ['plain', lz4Sequence(1, 300) + lz4Sequence(5)],
    ['plain', lz4Sequence(1, 1000) + lz4Sequence(4)],
    ['plain', lz4Sequence(1, 8) + lz4Sequence(1, 8) + lz4Sequence(5)],
    ['plain', lz4Sequence(1, most - 6) + lz4Sequence(5)],
    ['plain', lz4Sequence(1, most - 13) + lz4Sequence(0, 7) + lz4Sequence(5)],
    ['odd', lz4Sequence(1, 4) + lz4Sequence(4)],
    ['odd', lz4Sequence(1, 4) + lz4Sequence(0)],
    ['odd', lz4Sequence(1, 1000) + lz4Sequence(3)],
    ['odd', lz4Sequence(30, 8) + lz4Sequence(30, 8) + lz4Sequence(4)],
    ['refused', lz4Sequence(1, 4)],
    ['refused', lz4Sequence(1, 300)],
    ['refused', lz4Sequence(1, 1000) + lz4Sequence(2)],
    ['refused', lz4Sequence(1, 8) + lz4Sequence(1, 8)],
    ['refused', lz4Sequence(1, most - 5) + lz4Sequence(4)],
    ['refused', lz4Sequence(1, most - 12) + lz4Sequence(0, 6) + lz4Sequence(5)],
  ]
  for (const [index, [expected, block]] of blocks.entries()) {
    const frame = lz4Frame([block])
    if (expected === 'refused') {
      assert.throws(() => unpack('lz4', frame), { name: 'CORRUPT_MESSAGE' }, `block ${index}`)
      continue
    }
    const { bytes, oddlyFramed } = unpack('lz4', frame)
    assert.ok(bytes.length > 1 && bytes.every(byte => byte === 'x'.charCodeAt(0)), `block ${index}`)
    assert.equal(oddlyFramed, expected === 'odd', `block ${index}`)
  }
})

test('lz4: an uncompressed block without bytes ends the frame, as in Kafka; a compressed one does not', () => {
  const block = lz4Sequence(20)
  const nothing = Buffer.alloc(0)
  for (const [blocks, length] of [
    [[block, nothing], 20],
    [[block, nothing, block], 20],
    [[nothing, block], 0],
    [['00', block], 20],
    [[block, '00', block], 40],
  ] as const) {
    const { bytes, oddlyFramed } = unpack('lz4', lz4Frame([...blocks]))
    assert.deepEqual([bytes.length, oddlyFramed], [length, true])
  }
})

test('very many tiny frames, members and blocks cost no more than the bytes that are allowed', () => {
  const int32 = Buffer.from('00000003', 'hex')
  const tiny: [CompressionType, (count: number) => Buffer][] = [
    ['gzip', count => Buffer.concat(Array<Buffer>(count).fill(zlib.gzipSync('')))],
    ['zstd', count => Buffer.concat(Array<Buffer>(count).fill(emptyZstdFrame))],
    // A frame of empty raw blocks.
    ['zstd', count => Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), Buffer.alloc(3 * count), Buffer.from('010000', 'hex')])],
    ['lz4', count => lz4Frame(Array<string>(count).fill('1078'))],
    [
      'snappy',
      count =>
        Buffer.concat([
          compress('snappy', Buffer.alloc(0)),
          ...Array<Buffer>(count).fill(Buffer.concat([int32, snappy.compressSync('x')])),
        ]),
    ],
  ]
  for (const [type, make] of tiny) {
    assert.ok(decompress(type, make(100)).length <= 100, type)
    assert.throws(() => decompress(type, make(100_000), { maxBytes: mebi }), DecompressedTooLarge, type)
  }
})

test('several streams in one: as Kafka reads them', () => {
  const a = sample(5000)
  const b = Buffer.alloc(300_000, 'b')
  const [za, zb, ga, gb, la, sa] = [
    ...(['zstd', 'gzip'] as const).flatMap(type => [compress(type, a), compress(type, b)]),
    compress('lz4', a),
    compress('snappy', a),
  ] as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const both = Buffer.concat([a, b])
  /** Input, output, and whether every reader reads it. */
  const cases: [CompressionType, Buffer[], Buffer, 'plain' | 'odd'][] = [
    ['zstd', [za, zb], both, 'plain'],
    ['zstd', [za, skippable, zb], both, 'plain'],
    ['zstd', [skippable, za, zb, skippable, skippable], both, 'plain'],
    ['zstd', [emptyZstdFrame, za, emptyZstdFrame, zb], both, 'plain'],
    ['zstd', [za, skippable.subarray(0, 10)], a, 'odd'],
    ['gzip', [ga], a, 'plain'],
    ['gzip', [withFlags(ga, 0x20)], a, 'odd'],
    ['gzip', [withFlags(ga, 0x80)], a, 'odd'],
    ['gzip', [ga, gb], both, 'odd'],
    ['gzip', [ga, garbage], a, 'odd'],
    ['gzip', [ga, gb, Buffer.alloc(20)], both, 'odd'],
    ['gzip', [ga, gb.subarray(0, 8)], a, 'odd'],
    ['lz4', [la], a, 'plain'],
    ['lz4', [la, garbage], a, 'odd'],
    ['lz4', [la, la], a, 'odd'],
    ['lz4', [lz4Frame([a], { contentSize: a.length })], a, 'plain'],
    ['lz4', [lz4Frame([a], { contentSize: a.length - 1 })], a, 'odd'],
    ['lz4', [lz4Frame([a], { contentSize: 2 ** 48 })], a, 'odd'],
    ['lz4', [lz4Frame([a, Buffer.alloc(0)])], a, 'odd'],
    ['snappy', [sa], a, 'plain'],
    ['snappy', [sa, sa], Buffer.concat([a, a]), 'odd'],
    ['snappy', [sa, Buffer.alloc(3)], a, 'odd'],
  ]
  for (const scratch of [undefined, new Scratch()])
    for (const [index, [type, parts, expected, framing]] of cases.entries()) {
      const data = Buffer.concat(parts)
      const { bytes, oddlyFramed } = unpack(type, data, { scratch })
      assert.ok(bytes.equals(expected), `case ${index}`)
      assert.equal(oddlyFramed, framing === 'odd', `case ${index}`)
      assert.throws(() => unpack(type, data, { scratch, maxBytes: expected.length - 1 }), DecompressedTooLarge, `case ${index}`)
    }
})

test('what Kafka cannot decompress is CORRUPT_MESSAGE', () => {
  const data = sample(5000)
  const packed = Object.fromEntries(codecs.map(type => [type, compress(type, data)])) as Record<CompressionType, Buffer>
  const changed = (type: CompressionType, at: number, by = 1): Buffer => {
    const copy = Buffer.from(packed[type])
    copy[(at + copy.length) % copy.length]! ^= by
    return copy
  }
  const frame = lz4.compressFrameSync(data, { contentChecksum: true, blockChecksums: true })
  const dependent = Buffer.from(packed.lz4)
  dependent[4]! ^= 0x20
  dependent[6] = (xxhash32(dependent, 4, 6) >>> 8) & 0xff
  const refusedData: [CompressionType, Buffer][] = [
    ...codecs.flatMap((type): [CompressionType, Buffer][] => [
      [type, Buffer.from('\u0001\u0002 not compressed')],
      [type, packed[type].subarray(0, packed[type].length - 1)],
      [type, packed[type].subarray(0, packed[type].length / 2)],
    ]),
    ['gzip', changed('gzip', -8)],
    ['gzip', changed('gzip', -1)],
    ['zstd', Buffer.concat([packed.zstd, garbage])],
    ['zstd', Buffer.concat([packed.zstd, Buffer.alloc(2)])],
    ['zstd', Buffer.concat([packed.zstd, packed.zstd.subarray(0, 9)])],
    ['lz4', changed('lz4', 6)],
    ['lz4', dependent],
    ['lz4', Buffer.concat([skippable, packed.lz4])],
    ['lz4', changed('lz4', 5, 0x80)],
    ['snappy', Buffer.concat([packed.snappy, Buffer.alloc(4)])],
    ['snappy', changed('snappy', 20)],
  ]
  for (const at of [6, frame.length - 9]) {
    const copy = Buffer.from(frame)
    copy[at]! ^= 1
    refusedData.push(['lz4', copy])
  }
  for (const [index, [type, input]] of refusedData.entries())
    assert.throws(() => decompress(type, input), { name: 'CORRUPT_MESSAGE' }, `case ${index}, ${type}`)
})

test('where Node gives no context away, its own calls do the same', () => {
  for (const size of [0, 1, 1000, 131_072, 131_073, 3 * mebi])
    for (const likely of [1, size]) {
      const data = sample(size)
      for (const [anew, packed] of [
        [decompressAnew, compress('zstd', data)],
        [inflateAnew, zlib.deflateRawSync(data)],
      ] as const) {
        const out = new Output(size)
        const used = anew(packed, likely, out)
        assert.ok(out.written().equals(data), `${size}`)
        if (used !== undefined) assert.equal(used, packed.length)
        if (size > 0) assert.throws(() => anew(packed, likely, new Output(size - 1)))
      }
    }
})

test('what other writers make is read: long and short matches that overlap, literals of every length', () => {
  const shapes = [1, 2, 3, 7, 47, 48, 49, 200, 5000].flatMap(period => [
    Buffer.alloc(20_000, sample(period)),
    Buffer.concat([sample(period), Buffer.alloc(period, 'x'), sample(period), sample(40_000 + period)]),
  ])
  for (const data of shapes) {
    assert.ok(decompress('lz4', lz4.compressFrameSync(data)).equals(data))
    assert.ok(decompress('snappy', snappy.compressSync(data)).equals(data))
    assert.ok(decompress('snappy', compress('snappy', data)).equals(data))
  }
})

test('what is cut off or damaged is refused or harmless, never a crash', () => {
  for (const type of codecs) {
    const packed = compress(type, sample(600))
    for (let cut = 0; cut < packed.length; cut++) survives(type, packed.subarray(0, cut))
    for (let at = 0; at < packed.length; at++)
      for (const bit of [1, 0x80]) {
        const damaged = Buffer.from(packed)
        damaged[at]! ^= bit
        survives(type, damaged)
      }
  }
})

function survives(type: CompressionType, data: Buffer): void {
  try {
    decompress(type, data, { maxBytes: mebi })
  } catch (error) {
    assert.ok(error instanceof KafkaError, `${type} ${data.toString('hex')}: ${error}`)
  }
}
