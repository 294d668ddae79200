import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib'
import avsc from 'avsc'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { uncompressSync } from 'snappy'
import { type ConnectValue, DataError, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import { Encoder, type EncoderOptions } from './encoder.ts'
import { formatNamed } from './list.ts'

const options: EncoderOptions = {
  codec: null,
  decimals: 'number',
  csvDelimiter: ',',
  csvHeader: true,
  separator: '\n',
  blockBytes: 2 ** 20,
  wrapping: 'none',
  level: null,
}

const optional = (schema: Schema): Schema => ({ ...schema, optional: true })
const everything: Schema = {
  type: 'struct',
  name: 'org.example.Everything',
  fields: [
    { name: 'i8', schema: { type: 'int8' } },
    { name: 'i16', schema: { type: 'int16' } },
    { name: 'i32', schema: { type: 'int32' } },
    { name: 'i64', schema: { type: 'int64' } },
    { name: 'f32', schema: { type: 'float32' } },
    { name: 'f64', schema: { type: 'float64' } },
    { name: 'yes', schema: { type: 'boolean' } },
    { name: 'text', schema: optional({ type: 'string' }) },
    { name: 'raw', schema: { type: 'bytes' } },
    { name: 'price', schema: decimal(2) },
    { name: 'day', schema: { type: 'int32', name: logical.date } },
    { name: 'clock', schema: { type: 'int32', name: logical.time } },
    { name: 'at', schema: { type: 'int64', name: logical.timestamp } },
    { name: 'list', schema: optional({ type: 'array', items: optional({ type: 'int64' }) }) },
    { name: 'map', schema: optional({ type: 'map', keys: { type: 'string' }, values: { type: 'int64' } }) },
    { name: 'inner', schema: optional({ type: 'struct', fields: [{ name: 'deep', schema: optional({ type: 'string' }) }] }) },
    { name: 'many', schema: { type: 'array', items: { type: 'struct', fields: [{ name: 'n', schema: { type: 'int32' } }] } } },
  ],
}
const full: [string, ConnectValue][] = [
  ['i8', -128],
  ['i16', 32767],
  ['i32', -2147483648],
  ['i64', 9223372036854775807n],
  ['f32', 0.5],
  ['f64', 1e300],
  ['yes', true],
  ['text', 'Grüße, 世界 🎈 "quoted"'],
  ['raw', Buffer.from([0, 255, 128])],
  ['price', new Decimal(-123456789012345678901234567n, 2)],
  ['day', -25567],
  ['clock', 86399999],
  ['at', 1764475200123n],
  ['list', [1n, null, -9007199254740993n]],
  ['map', new Map<ConnectValue, ConnectValue>([['a', 1n]])],
  ['inner', struct([['deep', 'yes']])],
  ['many', [struct([['n', 1]]), struct([['n', 2]])]],
]
const sparse: [string, ConnectValue][] = full.map(([name, value]) =>
  ['text', 'list', 'map', 'inner'].includes(name) ? [name, null] : name === 'many' ? [name, []] : [name, value],
)

async function written(
  name: string,
  values: readonly ConnectValue[],
  schema: Schema | null,
  changed: Partial<EncoderOptions> = {},
): Promise<Buffer> {
  const encoder = new Encoder(formatNamed(name)!, { ...options, ...changed }, schema, 'seed')
  const parts: Buffer[] = []
  for (const value of values) {
    encoder.add(value, schema)
    if (encoder.isDue) parts.push(await encoder.drain())
  }
  return Buffer.concat([...parts, await encoder.end()])
}

type Row = Record<string, unknown>

interface AvroField {
  name: string
  type: unknown
}

async function readAvro(file: Buffer): Promise<{ values: Row[]; schema: { name: string; fields: AvroField[] } }> {
  const long = avsc.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(value)
      return buffer
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  const codecs = {
    null: (block: Buffer, done: (error: null, block: Buffer) => void) => done(null, block),
    deflate: (block: Buffer, done: (error: null, block: Buffer) => void) => done(null, inflateRawSync(block)),
    snappy: (block: Buffer, done: (error: null, block: Buffer) => void) => done(null, uncompressSync(block.subarray(0, -4)) as Buffer),
    zstandard: (block: Buffer, done: (error: null, block: Buffer) => void) => done(null, zstdDecompressSync(block)),
  }
  const parsed = Promise.withResolvers<{ name: string; fields: AvroField[] }>()
  const decoder = new avsc.streams.BlockDecoder({
    codecs,
    parseHook(schema: { name: string; fields: AvroField[] }) {
      parsed.resolve(schema)
      return avsc.Type.forSchema(schema as never, { registry: { long }, wrapUnions: false })
    },
  } as never)
  decoder.end(file)
  const values: Row[] = []
  for await (const value of decoder) values.push(value as Row)
  return { values, schema: await parsed.promise }
}

for (const codec of ['null', 'deflate', 'snappy', 'zstandard'])
  test(`avro with ${codec} is read back by avsc`, async () => {
    const file = await written('avro', [struct(full), struct(sparse)], everything, { codec })
    const { values } = await readAvro(file)
    assert.equal(values.length, 2)
    const [first, second] = values as [Row, Row]
    assert.equal(first.i64, 9223372036854775807n)
    assert.equal(first.i8, -128)
    assert.equal(first.text, 'Grüße, 世界 🎈 "quoted"')
    assert.deepEqual([...(first.raw as Buffer)], [0, 255, 128])
    const price = first.price as Buffer
    assert.equal(BigInt.asIntN(8 * price.length, BigInt(`0x${price.toString('hex')}`)), -123456789012345678901234567n)
    assert.equal(first.day, -25567)
    assert.equal(BigInt(first.at as number), 1764475200123n)
    assert.deepEqual(first.list, [1n, null, -9007199254740993n])
    assert.deepEqual({ ...(first.map as object) }, { a: 1n })
    assert.equal((first.inner as Row).deep, 'yes')
    assert.deepEqual(
      (first.many as Row[]).map(each => each.n),
      [1, 2],
    )
    assert.deepEqual([second.text, second.list, second.map, second.inner], [null, null, null, null])
  })

test('avro has names and logical types as AvroData has them', async () => {
  const { schema } = await readAvro(await written('avro', [struct(full)], everything))
  const typeOf = (name: string) => schema.fields.find(field => field.name === name)!.type
  assert.equal(schema.name, 'org.example.Everything')
  assert.deepEqual(typeOf('price'), { type: 'bytes', logicalType: 'decimal', precision: 38, scale: 2 })
  assert.equal((typeOf('at') as Row).logicalType, 'timestamp-millis')
  assert.equal((typeOf('day') as Row).logicalType, 'date')
  assert.deepEqual(typeOf('text'), ['null', 'string'])
})

test('the same records give the same bytes, in all formats', async () => {
  for (const name of ['avro', 'parquet', 'json', 'csv'])
    assert.deepEqual(
      await written(name, [struct(full), struct(sparse)], everything, { blockBytes: 1, wrapping: 'gzip' }),
      await written(name, [struct(full), struct(sparse)], everything, { blockBytes: 1, wrapping: 'gzip' }),
      name,
    )
})

async function readParquet(file: Buffer): Promise<Row[]> {
  const compressors = {
    SNAPPY: (page: Uint8Array) => uncompressSync(Buffer.from(page)) as Buffer,
    GZIP: (page: Uint8Array) => gunzipSync(page),
    ZSTD: (page: Uint8Array) => zstdDecompressSync(page),
  }
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer
  return await parquetReadObjects({ file: bytes, compressors, utf8: false })
}

for (const codec of ['snappy', 'none', 'gzip', 'zstd'])
  test(`parquet with ${codec} is read back by hyparquet`, async () => {
    // A row group for each record.
    const rows = await readParquet(await written('parquet', [struct(full), struct(sparse)], everything, { codec, blockBytes: 1 }))
    assert.equal(rows.length, 2)
    const [first, second] = rows as [Row, Row]
    assert.equal(first.i64, 9223372036854775807n)
    assert.equal(first.i8, -128)
    assert.equal(first.i32, -2147483648)
    assert.equal(first.yes, true)
    assert.equal(first.text, 'Grüße, 世界 🎈 "quoted"')
    assert.deepEqual([...(first.raw as Uint8Array)], [0, 255, 128])
    assert.equal((first.day as Date).toISOString(), '1900-01-01T00:00:00.000Z')
    assert.equal(first.clock, 86399999)
    assert.equal((first.at as Date).getTime(), 1764475200123)
    assert.deepEqual(first.list, [1n, null, -9007199254740993n])
    assert.deepEqual(first.map, { a: 1n })
    assert.deepEqual(first.inner, { deep: 'yes' })
    assert.deepEqual(first.many, [{ n: 1 }, { n: 2 }])
    for (const name of ['text', 'list', 'map', 'inner']) assert.equal(second[name] ?? null, null, name)
    assert.deepEqual(second.many, [])
  })

test('parquet keeps all digits of decimals, and says what they mean', async () => {
  const schema: Schema = { type: 'struct', fields: [{ name: 'd', schema: decimal(2) }] }
  const extremes = [10n ** 38n - 1n, -(10n ** 38n) + 1n, 0n, -1n]
  const file = await written(
    'parquet',
    extremes.map(each => struct([['d', new Decimal(each, 2)]])),
    schema,
    { codec: 'none' },
  )
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer
  const metadata = parquetMetadata(bytes)
  const element = metadata.schema[1]!
  assert.deepEqual([element.converted_type, element.precision, element.scale, element.type_length], ['DECIMAL', 38, 2, 16])
  // As bytes: hyparquet makes floats of decimals.
  delete element.converted_type
  delete element.logical_type
  const rows = await parquetReadObjects({ file: bytes, metadata, utf8: false })
  assert.deepEqual(
    rows.map(row => BigInt.asIntN(128, BigInt(`0x${Buffer.from(row['d']).toString('hex')}`))),
    extremes,
  )
})

test('what a format cannot hold is refused, with its field, and does no harm to the others', async () => {
  const wrong: [string, Schema, ConnectValue, RegExp][] = [
    ['a missing field', { type: 'struct', fields: [{ name: 'a', schema: { type: 'int32' } }] }, struct(), /field a is null/],
    [
      'a number of another type',
      { type: 'struct', fields: [{ name: 'a', schema: { type: 'int8' } }] },
      struct([['a', 128]]),
      /field a is number 128 where the schema has int8/,
    ],
    [
      'a text for bytes',
      { type: 'struct', fields: [{ name: 'a', schema: { type: 'bytes' } }] },
      struct([['a', 'x']]),
      /field a is a string/,
    ],
    ['beyond int64', { type: 'struct', fields: [{ name: 'a', schema: { type: 'int64' } }] }, struct([['a', 2n ** 63n]]), /field a/],
    [
      'too many decimals',
      { type: 'struct', fields: [{ name: 'a', schema: decimal(1) }] },
      struct([['a', new Decimal(123n, 2)]]),
      /scale of 1/,
    ],
  ]
  for (const name of ['avro', 'parquet'])
    for (const [what, schema, value, words] of wrong) {
      const encoder = new Encoder(formatNamed(name)!, options, schema, '')
      assert.throws(
        () => encoder.add(value, schema),
        (error: Error) => error instanceof DataError && words.test(error.message),
        `${name}: ${what}`,
      )
      assert.equal(encoder.size, 0)
    }
  const schema: Schema = {
    type: 'struct',
    fields: [
      { name: 'a', schema: { type: 'string' } },
      { name: 'b', schema: { type: 'int32' } },
    ],
  }
  for (const name of ['avro', 'parquet', 'csv', 'json']) {
    const encoder = new Encoder(formatNamed(name)!, options, schema, '')
    encoder.add(
      struct([
        ['a', 'one'],
        ['b', 1],
      ]),
      schema,
    )
    if (name !== 'json')
      assert.throws(
        () =>
          encoder.add(
            struct([
              ['a', 'bad'],
              ['b', null],
            ]),
            schema,
          ),
        DataError,
      )
    encoder.add(
      struct([
        ['a', 'two'],
        ['b', 2],
      ]),
      schema,
    )
    const file = await encoder.end()
    if (name === 'avro')
      assert.deepEqual(
        (await readAvro(file)).values.map(each => each.a),
        ['one', 'two'],
      )
    if (name === 'parquet')
      assert.deepEqual(
        (await readParquet(file)).map(each => each.a),
        ['one', 'two'],
      )
    if (name === 'csv') assert.equal(file.toString(), 'a,b\r\none,1\r\ntwo,2\r\n')
  }
})

test('schemas that contain themselves are refused', () => {
  const loop: { -readonly [K in keyof Schema]: Schema[K] } = { type: 'struct', name: 'Loop' }
  loop.fields = [
    { name: 'next', schema: loop },
    { name: 'other', schema: { type: 'array', items: loop } },
  ]
  for (const name of ['avro', 'parquet']) assert.throws(() => new Encoder(formatNamed(name)!, options, loop, ''), DataError, name)
})

test('names that Avro does not have are refused', () => {
  const schema: Schema = { type: 'struct', fields: [{ name: 'a-b', schema: { type: 'string' } }] }
  assert.throws(() => new Encoder(formatNamed('avro')!, options, schema, ''), /a-b/)
})

test('json: all digits, JsonConverter’s dates, bytes in base64', async () => {
  const text = (await written('json', [struct(full)], everything)).toString()
  assert.match(text, /"i64":9223372036854775807,/)
  assert.match(text, /"price":-1234567890123456789012345.67,/)
  assert.match(text, /"day":-25567,"clock":86399999,"at":1764475200123,/)
  assert.match(text, /"raw":"AP\+A"/)
  assert.equal(text.split('\n').length, 2)
  const base64 = (await written('json', [struct([['p', new Decimal(-1n, 2)]])], null, { decimals: 'base64' })).toString()
  assert.equal(base64, '{"p":"/w=="}\n')
})

test('csv: quotes, nested values, null and the empty string', async () => {
  const schema: Schema = {
    type: 'struct',
    fields: [
      { name: 'a', schema: optional({ type: 'string' }) },
      { name: 'b', schema: optional({ type: 'array', items: { type: 'int32' } }) },
      { name: 'day', schema: optional({ type: 'int32', name: logical.date }) },
    ],
  }
  const rows = [
    struct([
      ['a', 'x,"y"\n'],
      ['b', [1, 2]],
      ['day', 0],
    ]),
    struct([
      ['a', ''],
      ['b', null],
      ['day', null],
    ]),
    struct(),
  ]
  assert.equal((await written('csv', rows, schema)).toString(), 'a,b,day\r\n"x,""y""\n","[1,2]",1970-01-01\r\n"",,\r\n,,\r\n')
})

test('without a schema one is inferred that holds all records of the first block', async () => {
  const records = [
    struct([
      ['id', 1],
      ['only', 'here'],
    ]),
    struct([
      ['id', 9007199254740993n],
      ['ratio', 1],
      ['tags', ['a']],
      ['inner', struct([['x', 1]])],
    ]),
    struct([
      ['id', 3],
      ['ratio', 1.5],
      ['mixed', 1],
      ['inner', struct([['y', true]])],
      ['nothing', null],
    ]),
    struct([
      ['id', 4],
      ['mixed', 'text'],
    ]),
  ]
  const rows = await readParquet(await written('parquet', records, null))
  assert.deepEqual(
    rows.map(row => row.id),
    [1n, 9007199254740993n, 3n, 4n],
  )
  assert.deepEqual(
    rows.map(row => row.ratio ?? null),
    [null, 1, 1.5, null],
  )
  assert.deepEqual(
    rows.map(row => row.mixed ?? null),
    [null, null, '1', 'text'],
  )
  assert.deepEqual([(rows[2]!.inner as Row).x ?? null, (rows[2]!.inner as Row).y], [null, true])
  const { values } = await readAvro(await written('avro', records, null))
  assert.deepEqual(
    values.map(each => each.mixed),
    [null, null, '1', 'text'],
  )
})

test('a record that does not fit into a settled schema needs another file', async () => {
  const encoder = new Encoder(formatNamed('avro')!, { ...options, blockBytes: 1 }, null, '')
  encoder.add(struct([['a', 1]]), null)
  assert.ok(encoder.takes(struct([['b', 'x']]), null))
  await encoder.drain()
  assert.ok(encoder.takes(struct([['a', 2]]), null))
  assert.ok(encoder.takes(struct(), null))
  assert.ok(!encoder.takes(struct([['b', 'x']]), null))
  assert.ok(!encoder.takes(struct([['a', 'x']]), null))
})

test('gzip and zstd are put around the whole file', async () => {
  const records = Array.from({ length: 50 }, (_, n) => struct([['n', n]]))
  const plain = (await written('json', records, null)).toString()
  const zipped = await written('json', records, null, { wrapping: 'gzip', blockBytes: 64 })
  assert.equal(gunzipSync(zipped).toString(), plain)
  const zstd = await written('json', records, null, { wrapping: 'zstd', level: 5, blockBytes: 64 })
  assert.equal(zstdDecompressSync(zstd).toString(), plain)
})
