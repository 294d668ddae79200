import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { Reader } from 'protobufjs'
import { crc32c, DiskError, memoryFileSystem, realSystem } from '../../base.ts'
import { Decimal, logical, struct } from '../../connector.ts'
import { openSink, partition0, sinkRecord, TestContext as TaskContext } from '../../connector-testing.ts'
import { type Answered, type Asked, startServer } from '../http-server.testing.ts'
import { maxcompute } from './maxcompute.ts'

interface Column {
  readonly name: string
  readonly type: string
  readonly nullable?: boolean
}

/** Reads the stream as the SDK does, checksums included. */
function decode(stream: Buffer, columns: readonly Column[]): unknown[][] {
  const reader = Reader.create(stream)
  const rows: unknown[][] = []
  let row: unknown[] = columns.map(() => null)
  let summed: Buffer[] = []
  let checksums = 0
  const sum = (size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(size)
    write(bytes)
    summed.push(bytes)
  }
  const long = () => {
    const value = BigInt(reader.sint64().toString())
    sum(8, bytes => bytes.writeBigInt64LE(value))
    return value
  }
  for (;;) {
    const field = reader.uint32() >>> 3
    if (field === 33_553_408) {
      const checksum = crc32c(Buffer.concat(summed))
      assert.equal(reader.uint32(), checksum, 'checksum of the record')
      sum(4, bytes => bytes.writeUInt32LE(checksum))
      checksums = crc32c(summed.at(-1)!, checksums)
      rows.push(row)
      row = columns.map(() => null)
      summed = []
    } else if (field === 33_554_430) {
      assert.equal(Number(reader.sint64()), rows.length)
      assert.equal(reader.uint32() >>> 3, 33_554_431)
      assert.equal(reader.uint32(), checksums, 'checksum of the checksums')
      assert.equal(reader.pos, reader.len)
      return rows
    } else {
      sum(4, bytes => bytes.writeInt32LE(field))
      row[field - 1] = cellOf(columns[field - 1]!.type)
    }
  }

  function cellOf(type: string): unknown {
    if (type === 'double') {
      const value = reader.double()
      sum(8, bytes => bytes.writeDoubleLE(value))
      return value
    }
    if (type === 'boolean') {
      const value = reader.bool()
      summed.push(Buffer.from([value ? 1 : 0]))
      return value
    }
    if (type === 'timestamp') {
      const seconds = long()
      const nanos = reader.sint32()
      sum(4, bytes => bytes.writeInt32LE(nanos))
      return [seconds, nanos]
    }
    if (['bigint', 'int', 'datetime', 'date'].includes(type)) return long()
    const bytes = Buffer.from(reader.bytes())
    summed.push(bytes)
    return type === 'binary' ? bytes : bytes.toString()
  }
}

/** Tables `t` and, with partitions, `tp`. */
async function startTunnel(
  test: TestContext,
  refuse: (asked: Asked, query: URLSearchParams) => Answered | null | undefined = () => undefined,
) {
  const tables: Record<string, Column[]> = {
    t: [
      { name: 'k', type: 'string' },
      { name: 'n', type: 'bigint' },
    ],
    tp: [{ name: 'k', type: 'string' }],
  }
  const sessions = new Map<string, { partition: string; table: string; blocks: Map<number, unknown[][]>; status: string }>()
  const committed: Record<string, unknown[][]> = {}
  const server = await startServer(test, asked => {
    const url = new URL(asked.path, 'http://h')
    const query = url.searchParams
    const table = decodeURIComponent(url.pathname.split('/').at(-1)!)
    const signed = [...query].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    const lines = [
      asked.method,
      '',
      asked.headers['content-type'] ?? '',
      asked.headers.date,
      'x-odps-tunnel-version:5',
      `${url.pathname}?${signed.join('&')}`,
    ]
    const signature = createHmac('sha1', 'SECRET').update(lines.join('\n')).digest('base64')
    if (asked.headers.authorization !== `ODPS AKID:${signature}`) return { status: 403, body: '{"Code":"SignatureNotMatch"}' }
    const refused = refuse(asked, query)
    if (refused !== undefined) return refused
    const columns = tables[table]
    if (columns === undefined) return { status: 404, body: '{"Code":"NoSuchTable"}' }
    const id = query.get('uploadid') ?? String(sessions.size)
    if (query.has('uploads')) sessions.set(id, { partition: query.get('partition') ?? '', table, blocks: new Map(), status: 'normal' })
    const session = sessions.get(id)!
    if (asked.method === 'PUT') {
      const stream = asked.headers['content-encoding'] === 'deflate' ? inflateSync(asked.body) : asked.body
      session.blocks.set(Number(query.get('blockid')), decode(stream, columns))
      return { status: 200 }
    }
    if (asked.method === 'POST' && !query.has('uploads') && session.status === 'normal') {
      const name = `${table}/${session.partition}`
      committed[name] = [...(committed[name] ?? []), ...[...session.blocks.values()].flat()]
      session.status = 'closed'
    }
    const blocks = [...session.blocks.keys()].map(BlockID => ({ BlockID }))
    return { status: 200, body: JSON.stringify({ UploadID: id, Status: session.status, Schema: { columns }, UploadedBlockList: blocks }) }
  })
  const config = { tunnel_endpoint: server.url, project: 'p', access_id: 'AKID', access_key: 'SECRET' }
  return { ...server, config, tables, committed, sessions }
}

const row = (offset: bigint, k: string | null, n: number | bigint | string | null, partition = 0) =>
  sinkRecord({
    partition,
    offset,
    value: struct([
      ['K', k],
      ['n', n],
    ]),
  })

test('rows appear when they are flushed, once, also if the end of the commit is not heard', async t => {
  let breaks = true
  const tunnel = await startTunnel(t)
  const deaf = await startServer(t, async asked => {
    const answer = await fetch(tunnel.url + asked.path, {
      method: asked.method,
      headers: asked.headers as Record<string, string>,
      ...(asked.method !== 'GET' && { body: asked.body }),
    })
    const body = Buffer.from(await answer.arrayBuffer())
    const isCommit = asked.method === 'POST' && !asked.path.includes('uploads')
    if (!isCommit || !breaks) return { status: answer.status, body }
    breaks = false
    return null
  })
  const { task } = await openSink(maxcompute, { ...tunnel.config, tunnel_endpoint: deaf.url, table: 't', partition_window_type: 'NONE' })
  await task.put([row(0n, 'a', 1), row(1n, null, -1n)])
  assert.deepEqual(tunnel.committed, {})
  await assert.rejects(task.flush(), { name: 'RetriableError' })
  await task.flush()
  assert.deepEqual(tunnel.committed, {
    't/': [
      ['a', 1n],
      [null, -1n],
    ],
  })
  await task.flush()
  assert.equal(tunnel.sessions.size, 1)
  await task.close()
})

test('values have the types of their columns, exactly', async t => {
  const tunnel = await startTunnel(t)
  const types = {
    i: 'int',
    l: 'bigint',
    d: 'decimal(38,18)',
    f: 'double',
    b: 'boolean',
    s: 'string',
    bin: 'binary',
    dt: 'datetime',
    day: 'date',
    ts: 'timestamp',
    nested: 'string',
    v: 'varchar(3)',
  }
  tunnel.tables['t'] = Object.entries(types).map(([name, type]) => ({ name, type }))
  const { task, reported } = await openSink(maxcompute, { ...tunnel.config, table: 't', partition_window_type: 'NONE' })
  const valueSchema = {
    type: 'struct',
    fields: [
      ...(['i', 'l', 'd', 'f', 'b', 's', 'bin', 'nested', 'v'] as const).map(name => ({
        name,
        schema: { type: 'string' as const, optional: true },
      })),
      { name: 'dt', schema: { type: 'int64' as const, name: logical.timestamp } },
      { name: 'day', schema: { type: 'int32' as const, name: logical.date } },
      { name: 'ts', schema: { type: 'int64' as const, name: 'io.debezium.time.MicroTimestamp' } },
    ],
  } as const
  const value = struct([
    ['i', -5],
    ['l', -(2n ** 63n)],
    ['d', new Decimal(-123_456_789_012_345_678_901n, 18)],
    ['f', 0.1],
    ['b', true],
    ['s', 'Zoë 🌍'],
    ['bin', Buffer.from([0, 0xff])],
    ['dt', -1n],
    ['day', -141_428],
    ['ts', -1n],
    ['nested', struct([['a', [1, null]]])],
    ['v', '三文字'],
  ])
  await task.put([
    sinkRecord({ value, valueSchema }),
    sinkRecord({ offset: 1n, value: struct([['i', 2 ** 31]]) }),
    sinkRecord({ offset: 2n, value: struct([['v', 'four']]) }),
  ])
  await task.flush()
  const [first] = tunnel.committed['t/']!
  assert.deepEqual(first, [
    -5n,
    -(2n ** 63n),
    '-123.456789012345678901',
    0.1,
    true,
    'Zoë 🌍',
    Buffer.from([0, 0xff]),
    -1n,
    -141_428n,
    [-1n, 999_999_000],
    '{"a":[1,null]}',
    '三文字',
  ])
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [1n, 2n],
  )
  await task.close()
})

test('each partition has a session of its own; what the record does not have is its metadata', async t => {
  const tunnel = await startTunnel(t)
  tunnel.tables['tp'] = [
    { name: 'k', type: 'string' },
    { name: 'offset', type: 'bigint' },
  ]
  const { task, reported } = await openSink(maxcompute, {
    ...tunnel.config,
    table: 'tp',
    partition: 'pt=${timestamp:yyyyMMdd},r=${value.r}',
  })
  const record = (offset: bigint, timestampMs: bigint, r: string | null) =>
    sinkRecord({
      offset,
      timestampMs,
      value: struct([
        ['k', `k${offset}`],
        ['r', r],
      ]),
    })
  await task.put([record(0n, 0n, 'x'), record(1n, 86_400_000n, 'x'), record(2n, 0n, 'x'), record(3n, 0n, null), record(4n, 0n, '../x')])
  await task.flush()
  assert.deepEqual(tunnel.committed, {
    'tp/pt=19700101,r=x': [
      ['k0', 0n],
      ['k2', 2n],
    ],
    'tp/pt=19700102,r=x': [['k1', 1n]],
  })
  assert.ok(tunnel.asked[0]!.path.includes('create_partition=true'))
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [3n, 4n],
  )
  await task.close()
})

test('what is larger than a block is several, and a block that did not arrive is uploaded again', async t => {
  let fails = true
  const tunnel = await startTunnel(t, asked => (asked.method === 'PUT' && fails ? { status: 500 } : undefined))
  const { task } = await openSink(maxcompute, {
    ...tunnel.config,
    table: 't',
    partition_window_type: 'NONE',
    'block.size.kb': '16',
    'compression.type': 'none',
  })
  const rows = Array.from({ length: 3_000 }, (_, index) => row(BigInt(index), 'x'.repeat(50), index))
  await assert.rejects(task.put(rows), { name: 'RetriableError' })
  fails = false
  await task.put(rows)
  await task.flush()
  assert.deepEqual(
    tunnel.committed['t/']!.map(([, n]) => n),
    rows.map((_, index) => BigInt(index)),
  )
  assert.ok([...tunnel.sessions.values()][0]!.blocks.size > 3)
  await task.close()
})

test('what was not committed when a partition goes is read again for those that stay', async t => {
  const tunnel = await startTunnel(t)
  const { task, sought } = await openSink(maxcompute, { ...tunnel.config, table: 't', partition_window_type: 'NONE' })
  await task.put([row(5n, 'a', 1), sinkRecord({ partition: 1, offset: 7n, value: struct([['k', 'b']]) })])
  await task.closed!([partition0])
  assert.deepEqual(sought, [{ topic: 't', partition: 1, offset: 7n }])
  await task.flush()
  assert.deepEqual(tunnel.committed, {})
  await task.close()
})

test('a worker that ends between a commit and its end leaves nothing out and writes nothing twice', async t => {
  const tunnel = await startTunnel(t, asked =>
    breaks !== '' && asked.method === 'POST' && !asked.path.includes('uploads') ? broken() : undefined,
  )
  let breaks = ''
  const broken = () => {
    // `before`: it does not arrive; `after`: only its answer does not.
    if (breaks === 'after') for (const session of tunnel.sessions.values()) commitNow(session)
    return null
  }
  const commitNow = (session: (typeof tunnel)['sessions'] extends Map<string, infer S> ? S : never) => {
    if (session.status === 'closed') return
    const name = `${session.table}/${session.partition}`
    tunnel.committed[name] = [...(tunnel.committed[name] ?? []), ...[...session.blocks.values()].flat()]
    session.status = 'closed'
  }
  const system = { ...realSystem(), files: memoryFileSystem() }
  const config = { ...tunnel.config, table: 't', partition_window_type: 'NONE', 'session.directory': '/sessions' }
  const written: bigint[] = []
  for (const kind of ['before', 'after']) {
    const dying = await openSink(maxcompute, config, new TaskContext(system))
    await dying.task.opened!([partition0])
    const from = dying.sought[0]?.offset ?? 0n
    written.push(from, from + 1n)
    await dying.task.put([row(from, 'a', from), row(from + 1n, 'b', from + 1n)])
    breaks = kind
    await assert.rejects(dying.task.flush(), { name: 'RetriableError' })
    breaks = ''
    const next = await openSink(maxcompute, config, new TaskContext(system))
    await next.task.opened!([partition0])
    assert.deepEqual(next.sought, [{ topic: 't', partition: 0, offset: from + 2n }], kind)
  }
  assert.deepEqual(
    tunnel.committed['t/']!.map(([, n]) => n),
    written,
  )
})

test('the offsets of a topic are not those of another one with its name', async t => {
  const tunnel = await startTunnel(t, () => undefined)
  const system = { ...realSystem(), files: memoryFileSystem() }
  const config = { ...tunnel.config, table: 't', partition_window_type: 'NONE', 'session.directory': '/sessions' }
  const found: (bigint | undefined)[] = []
  for (const topicId of ['before', 'before', 'after']) {
    const { task, sought } = await openSink(maxcompute, config, new TaskContext(system))
    await task.opened!([{ ...partition0, topicId }])
    found.push(sought[0]?.offset)
    const next = sought[0]?.offset ?? 0n
    await task.put([row(next, 'a', next)])
    await task.flush()
    await task.close()
  }
  assert.deepEqual(found, [undefined, 1n, undefined])
})

test('a block that something in between took, and the Tunnel never had, is uploaded again; the offsets before it stay', async t => {
  let swallows = false
  const tunnel = await startTunnel(t, ({ method }) => (swallows && method === 'PUT' ? { status: 200 } : undefined))
  const system = { ...realSystem(), files: memoryFileSystem() }
  const config = { ...tunnel.config, table: 't', partition_window_type: 'NONE', 'session.directory': '/sessions' }
  const first = await openSink(maxcompute, config, new TaskContext(system))
  await first.task.opened!([partition0])
  await first.task.put([row(0n, 'a', 0n)])
  await first.task.flush()
  swallows = true
  await first.task.put([row(1n, 'b', 1n)])
  await assert.rejects(first.task.flush(), /has lost block 0 of 1; it is begun again/)
  swallows = false
  const next = await openSink(maxcompute, config, new TaskContext(system))
  await next.task.opened!([partition0])
  assert.deepEqual(next.sought, [{ topic: 't', partition: 0, offset: 1n }])
  await next.task.put([row(1n, 'b', 1n)])
  await next.task.flush()
  assert.deepEqual(
    tunnel.committed['t/']!.map(([, n]) => n),
    [0n, 1n],
  )
})

test('a full disk under session.directory: nothing is committed until its note is written, and then once', async t => {
  const tunnel = await startTunnel(t)
  let isFull = false
  const inMemory = memoryFileSystem()
  const replaceFile = async (path: string, content: Uint8Array) => {
    if (isFull) throw new DiskError('replace', path, 'ENOSPC')
    await inMemory.replaceFile(path, content)
  }
  const files = { ...inMemory, replaceFile }
  const config = { ...tunnel.config, table: 't', partition_window_type: 'NONE', 'session.directory': '/sessions' }
  const { task } = await openSink(maxcompute, config, new TaskContext({ ...realSystem(), files }))
  await task.opened!([partition0])
  await task.put([row(0n, 'a', 0n)])
  isFull = true
  await assert.rejects(task.flush(), { name: 'RetriableError', message: /ENOSPC/ })
  assert.deepEqual(tunnel.committed, {})
  isFull = false
  await task.flush()
  await task.flush()
  assert.deepEqual(
    tunnel.committed['t/']!.map(([, n]) => n),
    [0n],
  )
  await task.close()
})

test('a task that stood still while others took its partitions commits nothing, and what was about to be is known to all of them', async t => {
  const tunnel = await startTunnel(t)
  const system = { ...realSystem(), files: memoryFileSystem() }
  const config = { ...tunnel.config, table: 't', partition_window_type: 'NONE', 'session.directory': '/sessions' }
  const open = async (...partitions: number[]) => {
    const sink = await openSink(maxcompute, config, new TaskContext(system))
    await sink.task.opened!(partitions.map(partition => ({ topic: 't', partition })))
    return sink
  }
  const both = (offset: bigint) => [row(offset, 'a', offset), row(offset, 'b', 100n + offset, 1)]
  const stood = await open(0, 1)
  await stood.task.put(both(0n))
  await stood.task.flush()
  await stood.task.put(both(1n))
  const heirs = [await open(1), await open(0)]
  assert.deepEqual(
    heirs.map(({ sought }) => sought.map(({ partition, offset }) => [partition, offset])),
    [[[1, 1n]], [[0, 1n]]],
  )
  await assert.rejects(stood.task.flush(), /another task has partitions/)
  await stood.task.closed!([partition0, { topic: 't', partition: 1 }])
  for (const [at, heir] of heirs.entries()) {
    await heir.task.put(both(1n).filter(({ partition }) => partition === 1 - at))
    await heir.task.flush()
  }
  assert.deepEqual(tunnel.committed['t/']!.map(([, n]) => n).sort(), [0n, 100n, 1n, 101n].sort())
  // What ended is not kept for ever.
  const last = await open(0, 1)
  assert.deepEqual(
    last.sought.map(({ offset }) => offset),
    [2n, 2n],
  )
  assert.equal(system.files.list(`/sessions/${new TaskContext(system).connector}`).length, 1)
  for (const { task } of [stood, ...heirs, last]) await task.close()
})

test('a wrong key and a missing table fail the task', async t => {
  const tunnel = await startTunnel(t)
  for (const [changed, message] of [
    [{ access_key: 'WRONG' }, /SignatureNotMatch/],
    [{ table: 'none' }, /NoSuchTable/],
    [{ 'column.mapping': 'x=a' }, /no column x/],
  ] as const) {
    const { task } = await openSink(maxcompute, { ...tunnel.config, table: 't', partition_window_type: 'NONE', ...changed })
    await assert.rejects(task.put([row(0n, 'a', 1)]), message)
    await task.close()
  }
})
