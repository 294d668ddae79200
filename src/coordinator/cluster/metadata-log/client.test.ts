import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { type TestSystem, testSystem } from '../../runtime.testing.ts'
import { brokerConfig, connection, NaiveMetadataLog } from '../metadata-log.testing.ts'
import type { MetadataLog } from '../metadata-log.ts'
import { MetadataClient } from './client.ts'
import { Frames } from './frames.ts'
import { serveMetadataLog } from './server.ts'

/** Streams pass bytes on in turns of the event loop of their own. */
async function breathe(system: TestSystem): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise(resolve => setImmediate(resolve))
    await system.settle()
  }
}

interface World {
  system: TestSystem
  log: NaiveMetadataLog
  client: MetadataClient
  /** The client's end of the connection; null: refused. */
  stream: Duplex | null
  reports: string[]
  refusing: boolean
  connections: number
}

async function world(served: (log: NaiveMetadataLog) => MetadataLog = log => log): Promise<World> {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const reports: string[] = []
  const made: World = { system, log, client: null as unknown as MetadataClient, stream: null, reports, refusing: false, connections: 0 }
  made.client = new MetadataClient({
    system,
    async connect() {
      made.connections++
      if (made.refusing) throw new Error('ECONNREFUSED')
      const [ours, theirs] = connection()
      serveMetadataLog(served(log), theirs, error => void reports.push(`server: ${(error as Error).message}`))
      made.stream = ours
      return ours
    },
    report: (what, error) => void reports.push(`${what}: ${(error as Error).message}`),
  })
  await breathe(system)
  return made
}

const id = Buffer.from('an id')
const record = brokerConfig('a', '1')

/** As `log`, but for what is given. */
function changed(log: MetadataLog, changes: Partial<MetadataLog>): MetadataLog {
  return {
    append: (...args) => log.append(...args),
    read: from => log.read(from),
    onChanged: callback => log.onChanged(callback),
    close: () => log.close(),
    ...changes,
  }
}

test('an append whose answer is lost is told as unknown, and when repeated as accepted', async () => {
  const made = await world(log =>
    changed(log, {
      async append(...args) {
        const accepted = await log.append(...args)
        if (log.records.length === 2 && made.connections === 1) made.stream!.destroy()
        return accepted
      },
    }),
  )
  await assert.rejects(made.client.append(0, [record], id), { name: 'Error', message: /connection was lost/ })
  assert.equal(made.log.records.length, 2)
  await made.system.advance(1_000)
  await breathe(made.system)
  assert.equal(made.connections, 2)
  assert.equal(await made.client.append(0, [record], id), true)
  assert.equal(made.log.records.length, 2)
  made.client.close()
})

test('without a connection nothing is sent, and it is opened again', async () => {
  const made = await world()
  let notified = 0
  made.client.onChanged(() => void notified++)
  made.refusing = true
  made.stream!.destroy()
  await breathe(made.system)
  await assert.rejects(made.client.append(0, [record], id), { name: 'COORDINATOR_NOT_AVAILABLE' })
  await assert.rejects(made.client.read(0), { name: 'COORDINATOR_NOT_AVAILABLE' })
  await made.system.advance(10_000)
  assert.ok(made.connections > 8 && made.connections < 25, `${made.connections} attempts`)
  assert.equal(notified, 0)
  made.refusing = false
  await made.system.advance(1_000)
  await breathe(made.system)
  assert.equal(notified, 1)
  assert.equal(await made.client.append(0, [record], id), true)
  made.client.close()
})

test('a call waits for the connection that is being opened', async () => {
  const system = testSystem()
  const opening = Promise.withResolvers<Duplex>()
  const client = new MetadataClient({ system, connect: () => opening.promise, report: (what, error) => assert.fail(`${what}: ${error}`) })
  const reading = client.read(0)
  await breathe(system)
  const [ours, theirs] = connection()
  serveMetadataLog(new NaiveMetadataLog(), theirs, error => assert.fail(String(error)))
  opening.resolve(ours)
  assert.deepEqual(await reading, { isSnapshot: false, records: [], end: 0 })
  client.close()
})

test('a peer that does not answer is left after half a minute', async () => {
  const hanging = new Promise<never>(() => {})
  const made = await world(log => changed(log, { append: () => hanging, read: () => hanging }))
  const append = made.client.append(0, [record], id)
  const read = made.client.read(0)
  const outcomes = Promise.allSettled([append, read])
  await breathe(made.system)
  await made.system.advance(31_000)
  await breathe(made.system)
  const [appended, slice] = (await outcomes) as PromiseRejectedResult[]
  assert.match(String(appended!.reason), /^Error: the connection was lost/)
  assert.equal(slice!.reason.name, 'COORDINATOR_NOT_AVAILABLE')
  made.client.close()
})

test('closing settles what waits, and nothing is opened any more', async () => {
  const hanging = new Promise<never>(() => {})
  const made = await world(log => changed(log, { append: () => hanging }))
  const append = assert.rejects(made.client.append(0, [record], id), { name: 'Error' })
  made.client.close()
  await append
  await made.system.advance(10_000)
  assert.equal(made.connections, 1)
  assert.equal(made.system.pendingTimers, 0)
})

test('bytes that are no messages end the connection, on both ends', async () => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from([0, 0, 0, 5, 99, 0, 0, 0, 1]), Buffer.from([0, 0, 0, 1, 2])]) {
    const made = await world()
    made.stream!.write(bytes)
    await breathe(made.system)
    assert.equal(made.reports.length, 1, bytes.toString())
    assert.match(made.reports[0]!, /^server: /)
    made.client.close()
  }
  const made = await world()
  made.stream!.push(Buffer.from([0, 0, 0, 5, 99, 0, 0, 0, 1]))
  await breathe(made.system)
  assert.match(made.reports.join(), /^closing the connection to the metadata log: 99 is no reply/)
  assert.equal(made.stream!.destroyed, true)
  made.client.close()
})

test('a size beyond the limit is refused before its bytes arrive', () => {
  assert.throws(() => new Frames().take(Buffer.from([0x7f, 0xff, 0xff, 0xff])), { name: 'MalformedInput' })
  assert.throws(() => new Frames().take(Buffer.from([0xff, 0xff, 0xff, 0xff])), { name: 'MalformedInput' })
})
