import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { type ConnectValue, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import { formatNamed } from '../formats/list.ts'
import { pagesOf, readerNamed } from './list.ts'
import type { ReadFile, ReadSettings, ReadValue } from './reader.ts'
import type { Wrapping } from './unwrap.ts'

const usual: ReadSettings = { mostBytes: 2 ** 20, csvDelimiter: ',', csvHeader: true, separator: '\n', jsonAsText: false }

function fileOf(bytes: Buffer): ReadFile {
  return { size: bytes.length, slice: async (from, to) => bytes.subarray(from, to) }
}

async function read(
  name: string,
  bytes: Buffer | string,
  settings: Partial<ReadSettings> = {},
  wrapping: Wrapping = 'none',
): Promise<ReadValue[]> {
  const found: ReadValue[] = []
  for await (const page of pagesOf(readerNamed(name)!, fileOf(Buffer.from(bytes as string)), wrapping, { ...usual, ...settings }))
    found.push(...page)
  return found
}

function written(name: string, schema: Schema | null, values: readonly ConnectValue[], codec: string | null = null): Buffer {
  const format = formatNamed(name)!
  const options = { codec, decimals: 'number', csvDelimiter: ',', csvHeader: true, separator: '\n', blockBytes: 4_096 } as const
  const body = format.open(schema, options, 'seed')
  const parts: Buffer[] = []
  for (const value of values) {
    body.add(value, schema)
    if (format.name !== 'parquet') parts.push(body.take())
  }
  return Buffer.concat([...parts, body.end()])
}

const optional = (schema: Schema): Schema => ({ ...schema, optional: true })
const everything: Schema = {
  type: 'struct',
  name: 'org.example.Event',
  fields: [
    { name: 'small', schema: { type: 'int8' } },
    { name: 'n', schema: { type: 'int32' } },
    { name: 'large', schema: { type: 'int64' } },
    { name: 'ratio', schema: { type: 'float64' } },
    { name: 'yes', schema: { type: 'boolean' } },
    { name: 'price', schema: decimal(2) },
    { name: 'day', schema: { type: 'int32', name: logical.date, version: 1 } },
    { name: 'at', schema: { type: 'int64', name: logical.timestamp, version: 1 } },
    { name: 'text', schema: { type: 'string' } },
    { name: 'raw', schema: { type: 'bytes' } },
    { name: 'nothing', schema: optional({ type: 'string' }) },
    { name: 'list', schema: { type: 'array', items: optional({ type: 'int32' }) } },
    { name: 'map', schema: optional({ type: 'map', keys: { type: 'string' }, values: { type: 'int64' } }) },
    { name: 'inner', schema: optional({ type: 'struct', name: 'org.example.Inner', fields: [{ name: 'x', schema: { type: 'string' } }] }) },
  ],
}
const valueAt = (n: number): ConnectValue =>
  struct([
    ['small', -1],
    ['n', n],
    ['large', 9007199254740993n + BigInt(n)],
    ['ratio', 0.5],
    ['yes', n % 2 === 0],
    ['price', new Decimal(-123456789012345678n, 2)],
    ['day', 20_000],
    ['at', 1_796_000_000_123n],
    ['text', `Grüße "${n}",\r\n世界`],
    ['raw', Buffer.from([0, 255, n & 255])],
    ['nothing', n % 3 === 0 ? null : ''],
    ['list', n % 3 === 0 ? [] : [1, null, n]],
    [
      'map',
      n % 5 === 0
        ? null
        : new Map<ConnectValue, ConnectValue>([
            ['__proto__', 1n],
            ['b', 2n],
          ]),
    ],
    ['inner', n % 7 === 0 ? null : struct([['x', 'y']])],
  ])
const values = Array.from({ length: 300 }, (_, n) => valueAt(n))

/** Schemas as files have them: without the names of structs in Parquet. */
function bare(schema: Schema): unknown {
  const { type, optional: isOptional, name, fields, items, keys, values: of, parameters } = schema
  const meaning = Object.values<string>(logical).includes(name ?? '') ? name : undefined
  const scale = meaning === logical.decimal ? parameters?.['scale'] : undefined
  return JSON.parse(
    JSON.stringify({
      type,
      isOptional,
      meaning,
      scale,
      fields: fields?.map(field => [field.name, bare(field.schema)]),
      items: items && bare(items),
      keys: keys && bare(keys),
      of: of && bare(of),
    }),
  )
}

for (const [name, codecs] of [
  ['avro', [null, 'deflate', 'snappy', 'zstandard']],
  ['parquet', [null, 'gzip', 'zstd', 'uncompressed']],
] as const)
  test(`${name}: what the sinks write is read as it was, with its schema`, async () => {
    for (const codec of codecs) {
      const found = await read(name, written(name, everything, values, codec))
      assert.equal(found.length, values.length)
      assert.deepEqual(bare(found[0]!.schema!), bare(everything), String(codec))
      assert.deepEqual(
        found.map(({ value }) => value),
        values,
      )
    }
  })

test('json: lines, also compressed, also the last one without an end', async () => {
  const text = '{"n":9007199254740993,"__proto__":{"x":1}}\r\n\n[1]\n"last"'
  for (const [bytes, wrapping] of [
    [Buffer.from(text), 'none'],
    [gzipSync(text), 'gzip'],
    [Buffer.concat([gzipSync(text.slice(0, 10)), gzipSync(text.slice(10))]), 'gzip'],
    [zstdCompressSync(text), 'zstd'],
    // Two frames, the second with a checksum, and one that is to be skipped in between.
    [
      Buffer.concat([
        zstdCompressSync(text.slice(0, 10)),
        Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]),
        zstdCompressSync(text.slice(10), { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
      ]),
      'zstd',
    ],
  ] as const) {
    const found = await read('json', bytes, {}, wrapping)
    assert.deepEqual(
      found.map(({ value }) => value),
      [
        struct([
          ['n', 9007199254740993n],
          ['__proto__', struct([['x', 1]])],
        ]),
        [1],
        'last',
      ],
    )
  }
  assert.deepEqual(
    (await read('json', text, { jsonAsText: true })).map(({ value }) => value),
    ['{"n":9007199254740993,"__proto__":{"x":1}}', '[1]', '"last"'],
  )
  await assert.rejects(read('json', '{}\n{'), /line 2 is no JSON/)
  await assert.rejects(read('json', Buffer.from([0xff, 0x0a])), /line 1 is no UTF-8/)
  await assert.rejects(read('json', `"${'x'.repeat(100)}"`, { mostBytes: 50 }), /record\.max\.bytes/)
})

test('a compressed file that is cut off, or is none, is an error; what it would become at once nobody holds', async () => {
  const bomb = gzipSync(Buffer.alloc(2 ** 24))
  await assert.rejects(read('json', bomb, {}, 'gzip'), /record\.max\.bytes/)
  await assert.rejects(read('json', gzipSync('{}\n'.repeat(1_000)).subarray(0, 30), {}, 'gzip'))
  await assert.rejects(read('json', 'no gzip', {}, 'gzip'))
  const lines = Array.from({ length: 1_000 }, (_, n) => `{"n":${n}}\n`).join('')
  const frame = zstdCompressSync(lines)
  for (const length of [2, 10, 500, frame.length - 1])
    await assert.rejects(read('json', frame.subarray(0, length), {}, 'zstd'), /ends in the middle/)
  await assert.rejects(read('json', Buffer.concat([frame, Buffer.from('trailing')]), {}, 'zstd'), /no zstd file/)
})

test('csv: quotes, ends of lines in cells, null and the empty string; whatever the pieces are', async () => {
  const text = 'id,"the ""name""",c\r\n1,"a,b\r\nc",\r\n2,"",x\n\n3,y'
  const one = [
    { id: '1', 'the "name"': 'a,b\r\nc', c: null },
    { id: '2', 'the "name"': '', c: 'x' },
    { id: '3', 'the "name"': 'y', c: null },
  ]
  for (let size = 1; size < text.length; size++) {
    const found: unknown[] = []
    async function* pieces() {
      for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size))
    }
    for await (const page of readerNamed('csv')!.readBytes!(pieces(), usual))
      found.push(...page.map(({ value }) => ({ ...(value as object) })))
    assert.deepEqual(found, one, `pieces of ${size}`)
  }
  const flat: Schema = { type: 'struct', fields: everything.fields!.filter(({ name }) => ['n', 'text', 'nothing', 'large'].includes(name)) }
  const [, second] = await read('csv', written('csv', flat, values.slice(0, 3)))
  assert.deepEqual({ ...(second!.value as object) }, { n: '1', large: '9007199254740994', text: 'Grüße "1",\r\n世界', nothing: '' })
  assert.deepEqual({ ...((await read('csv', 'a;b\n', { csvHeader: false, csvDelimiter: ';' }))[0]!.value as object) }, { c1: 'a', c2: 'b' })
  await assert.rejects(read('csv', 'a,a\n'), /two columns/)
  await assert.rejects(read('csv', 'a\n1,2\n'), /2 cells, and there are 1 columns/)
  await assert.rejects(read('csv', 'a\n"x'), /no other one/)
  await assert.rejects(read('csv', 'a\n"x"y\n'), /not doubled/)
})

test('bytes: between separators, or whole', async () => {
  const texts = async (bytes: string, separator: string) =>
    (await read('bytes', bytes, { separator })).map(({ value }) => (value as Buffer).toString())
  assert.deepEqual(await texts('a\nb\n', '\n'), ['a', 'b'])
  assert.deepEqual(await texts('a||b', '||'), ['a', 'b'])
  assert.deepEqual(await texts('a\nb\n', ''), ['a\nb\n'])
  assert.deepEqual(await texts('', ''), [])
})

test('damaged and hostile files are errors that say what is wrong', async () => {
  const good = written('avro', everything, values.slice(0, 10))
  await assert.rejects(read('avro', 'Obj'), /ends in the middle|no Avro/)
  await assert.rejects(read('avro', '{}{}{}'), /no Avro file/)
  for (const at of [1, 30, 200]) await assert.rejects(read('avro', good.subarray(0, good.length - at)), { name: 'DataError' })
  const broken = Buffer.from(good)
  broken[broken.length - 1]! ^= 1
  await assert.rejects(read('avro', broken), /marker/)
  assert.deepEqual((await read('avro', avro('"long"', [2])))[0]!.value, 1n)
  await assert.rejects(
    read('avro', avro('{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}', [0])),
    /contains itself/,
  )
  const inner = (space: string, type: string) =>
    `{"type":"record","namespace":"${space}","name":"X","fields":[{"name":"v","type":"${type}"}]}`
  await assert.rejects(read('avro', avro(`[${inner('a', 'int')},${inner('b', 'string')}]`, [2, 2, 120])), /two branches with the name X/)
  const twice = '{"type":"record","name":"R","fields":[{"name":"v","type":"int"},{"name":"v","type":"string"}]}'
  await assert.rejects(read('avro', avro(twice, [2, 2, 120])), /R of the Avro schema has two fields with the name v/)
  // A list of 2^40 times nothing.
  await assert.rejects(read('avro', avro('{"type":"array","items":"null"}', [...zigzag(2 ** 40), 0])), /elements/)
  await assert.rejects(read('avro', avro('"string"', [...zigzag(2 ** 30)])), /beyond its block/)
  await assert.rejects(read('avro', avro(`${'{"type":"array","items":'.repeat(200)}"int"${'}'.repeat(200)}`, [0])), /nested/)
  await assert.rejects(read('parquet', 'PAR1'), /too short/)
  await assert.rejects(read('parquet', Buffer.alloc(100)), /PAR1/)
  await assert.rejects(read('parquet', Buffer.concat([Buffer.alloc(20), Buffer.from([255, 255, 255, 0]), Buffer.from('PAR1')])), /footer/)
})

test('avro: what a block and a schema say is not believed before it is checked', async () => {
  // Records that take no bytes: as many as the file likes to say, but for some.
  const empty = '{"type":"record","name":"R","fields":[]}'
  for (const schema of ['"null"', empty]) {
    await assert.rejects(read('avro', avro(schema, [], 2 ** 40)), {
      name: 'DataError',
      message: /1099511627776 records in 0 bytes; at most 10000/,
    })
    assert.equal((await read('avro', avro(schema, [], 3_000))).length, 3_000)
  }
  for (const type of ['"null"', empty, '{"type":"fixed","name":"F","size":0}']) {
    const named = JSON.parse(type) as { name?: string }
    const fields = Array.from({ length: 100 }, (_, n) => `{"name":"f${n}","type":${n === 0 ? type : JSON.stringify(named.name ?? named)}}`)
    const hundred = `{"type":"record","name":"H","fields":[${fields.join()}]}`
    await assert.rejects(read('avro', avro(hundred, [], 10_000)), {
      name: 'DataError',
      message: /more than 10000 values that take no bytes/,
    })
  }
  // 2^41 fields in 4 KB.
  const doubled = (n: number) =>
    `{"type":"record","name":"R${n}","fields":[{"name":"a","type":"R${n - 1}"},{"name":"b","type":"R${n - 1}"}]}`
  const doubling = Array.from({ length: 40 }, (_, n) => `{"name":"f${n}","type":${n === 0 ? empty.replace('R', 'R0') : doubled(n)}}`)
  await assert.rejects(read('avro', avro(`{"type":"record","name":"All","fields":[${doubling.join()}]}`, [], 0)), {
    name: 'DataError',
    message: /types or more.*at most 10000/,
  })
  const within = (n: number) => `{"type":"record","name":"R${n}","fields":[{"name":"a","type":"R${n - 1}"}]}`
  const deep = Array.from({ length: 130 }, (_, n) => `{"name":"f${n}","type":${n === 0 ? empty.replace('R', 'R0') : within(n)}}`)
  await assert.rejects(read('avro', avro(`{"type":"record","name":"All","fields":[${deep.join()}]}`, [], 0)), /nested/)
  // 4 GB from 9 bytes.
  const large = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]
  await assert.rejects(read('avro', avro('"bytes"', large, 1, 'snappy')), {
    name: 'DataError',
    message: /4294967295 bytes unpacked; at most 4194304 are allowed/,
  })
  await assert.rejects(read('avro', avro('"bytes"', [1], 1, 'snappy')), /snappy block does not say/)
})

test('parquet of others: columns of any name, legacy lists, unsigned numbers', async () => {
  const file = parquetWriteBuffer({
    columnData: [
      { name: '__proto__', data: [1, 2], type: 'INT32' },
      { name: 'a.b', data: ['x', null], type: 'STRING' },
      { name: 'toString', data: [1.5, 2.5], type: 'DOUBLE' },
    ],
  })
  const found = await read('parquet', Buffer.from(file))
  assert.deepEqual(
    found.map(({ value }) => Object.entries(value as object)),
    [
      [
        ['__proto__', 1],
        ['a.b', 'x'],
        ['toString', 1.5],
      ],
      [
        ['__proto__', 2],
        ['a.b', null],
        ['toString', 2.5],
      ],
    ],
  )
})

/** A file of one block. */
function avro(schema: string, block: readonly number[], count = 1, codec = 'null'): Buffer {
  const property = (text: string) => [...zigzag(text.length), ...Buffer.from(text)]
  return Buffer.from([
    ...Buffer.from('Obj\x01'),
    ...zigzag(2),
    ...property('avro.schema'),
    ...property(schema),
    ...property('avro.codec'),
    ...property(codec),
    0,
    ...Buffer.alloc(16),
    ...zigzag(count),
    ...zigzag(block.length),
    ...block,
    ...Buffer.alloc(16),
  ])
}

function zigzag(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt(value) * 2n
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}
