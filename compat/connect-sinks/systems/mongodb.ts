/** MongoDB's protocol and BSON, as FerretDB with SQLite speaks them: MongoDB itself is in no registry. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { struct } from '../../../src/connector.ts'
import { cached, needs, repository } from '../../support/cache.ts'
import { freePorts, must, start } from '../../support/run.ts'
import { judgeBroken } from '../broken-connections.ts'
import { openTask, plainRecord } from '../open.ts'
import { Restartable } from '../peers.ts'
import { large, Seen, topic } from '../records.ts'
import type { System } from './system.ts'

const ferret = 'github.com/FerretDB/FerretDB'
const ferretVersion = 'v1.24.2'

export const mongodbSystem: System = {
  name: 'mongodb',
  async run(judge, stage) {
    await needs('go', 'it builds FerretDB')
    const source = readFileSync(join(repository, 'compat/connect-sinks/ferretdb.go'), 'utf8')
    const program = await cached('ferretdb', `${ferret}@${ferretVersion} ${source}`, async at => {
      writeFileSync(join(at, 'go.mod'), `module compat\n\ngo 1.22\n\nrequire ${ferret} ${ferretVersion}\n`)
      writeFileSync(join(at, 'main.go'), source)
      const args = ['build', '-mod=mod', '-ldflags=-s -w', '-o', join(at, 'ferretdb'), '.']
      await must('go', args, { cwd: at, seconds: 3_000, env: { GOTOOLCHAIN: 'local' } })
    })
    const port = await freePorts(1)
    const at = mkdtempSync(join(tmpdir(), 'millrace-ferretdb-'))
    const args = [`127.0.0.1:${port}`, at]
    const server = await Restartable.start(port, () => start(join(program, 'ferretdb'), args, join(at, 'log')))
    const uri = `mongodb://127.0.0.1:${port}`
    const client = new MongoClient(uri)
    try {
      await judge('each-once', async () => {
        const told = await stage.drive({
          connector: 'mongodb',
          config: {
            ...{ 'connection.uri': uri, database: 'events' },
            // FerretDB takes ten times as long to replace, and breaks the connection where it is given a decimal.
            'writemodel.strategy': 'InsertOneDefaultStrategy',
            transforms: 'price',
            'transforms.price.type': 'org.apache.kafka.connect.transforms.ReplaceField$Value',
            'transforms.price.exclude': 'price',
          },
          kills: 3,
          harm: () => server.restart(),
        })
        const seen = new Seen()
        const collection = client.db('events').collection(topic)
        for await (const { partition, n } of collection.find({}, { projection: { partition: 1, n: 1 } }))
          seen.add(Number(partition), Number(n))
        seen.requireOnce()
        const document = await collection.findOne({ partition: 1, n: 7 }, { useBigInt64: true, promoteValues: true })
        assert.equal(document!['large'], large + 14n)
        assert.equal(document!['text'], 'Grüße 世界 🎈 "7"')
        assert.deepEqual(document!['at'], new Date('2025-11-30T04:00:00.007Z'))
        assert.deepEqual(Buffer.from(document!['raw'].buffer), Buffer.from([0, 255, 7]))
        return told
      })
      await judgeBroken(judge, {
        ...{ connector: 'mongodb', port },
        config: (port, ms) => ({
          ...{ 'connection.uri': `mongodb://127.0.0.1:${port}`, database: 'broken', 'server.timeout.ms': String(ms) },
          'document.id.strategy': 'BsonOidStrategy',
        }),
        clean: async () => void (await client.db('broken').dropDatabase()),
        there: async () => (await client.db('broken').collection('t').find({}).toArray()).map(({ n }) => Number(n)),
      })
      await judge('delete-on-null', async () => {
        const config = {
          'connection.uri': uri,
          database: 'events',
          'document.id.strategy': 'FullKeyStrategy',
          'delete.on.null.values': 'true',
        }
        const task = await openTask('mongodb', config)
        await task.put([1, 2, 3].map(key => plainRecord('people', key, { key, value: struct([['name', `n${key}`]]) })))
        await task.put([
          plainRecord('people', 4, { key: 2, value: null }),
          plainRecord('people', 5, { key: 3, value: struct([['name', 'new']]) }),
        ])
        const found = await client.db('events').collection('people').find({}).sort({ _id: 1 }).toArray()
        assert.deepEqual(found as unknown, [
          { name: 'n1', _id: 1 },
          { name: 'new', _id: 3 },
        ])
        await task.close()
      })
    } finally {
      await client.close()
      await server.kill()
      rmSync(at, { recursive: true, force: true })
    }
  },
}
