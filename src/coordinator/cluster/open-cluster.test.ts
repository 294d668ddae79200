import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DiskError, type Int64 } from '../../base.ts'
import { buildBatch, KafkaError, metadataTopicUuid, type Uuid } from '../../protocol.ts'
import { testSystem } from '../runtime.testing.ts'
import { newTopic, run, TestLog, type TestPartition, testRules } from './cluster.testing.ts'
import { bootstrapLevels } from './features.ts'
import { encodeMetadataRecord, newPartitionRecord } from './metadata-records.ts'
import { type ClusterOptions, openClusterMetadata } from './open-cluster.ts'
import type { ClusterMetadata, CreatedTopic, NewTopic } from './types.ts'

class Machine {
  readonly system = testSystem()
  readonly said: string[] = []
  log = new TestLog()
  cluster!: ClusterMetadata

  async start(options: Partial<ClusterOptions> = {}): Promise<ClusterMetadata> {
    const say = (details: object, message: string) => {
      this.said.push(`${message} ${JSON.stringify(details)}`)
    }
    const opening = openClusterMetadata({
      system: this.system,
      log: this.log,
      directory: '/data',
      brokerId: 7,
      rules: testRules,
      reporter: { info: say, warn: say },
      ...options,
    })
    this.cluster = await run(this.system, opening)
    return this.cluster
  }

  /** Starts again on the same disk. */
  async restart(options: Partial<ClusterOptions> = {}): Promise<ClusterMetadata> {
    await run(this.system, this.cluster.close())
    this.log = new TestLog(this.log.disk)
    return this.start(options)
  }

  async create(...topics: NewTopic[]): Promise<(CreatedTopic | KafkaError)[]> {
    return run(this.system, this.cluster.createTopics(topics, false))
  }

  async createId(name: string): Promise<Uuid> {
    const [created] = await this.create(newTopic(name))
    assert.ok(!(created instanceof KafkaError), String(created))
    return created!.id
  }

  async delete(...ids: Uuid[]): Promise<(KafkaError | null)[]> {
    return run(this.system, this.cluster.deleteTopics(ids))
  }

  get metadataLog(): TestPartition {
    return this.log.get(metadataTopicUuid, 0)!
  }

  names(): string[] {
    return this.cluster.topics().map(topic => topic.name)
  }

  snapshots(): string[] {
    return this.system.files
      .list('/data/__cluster_metadata-0')
      .map(({ name }) => name)
      .filter(name => name.endsWith('.checkpoint'))
  }
}

async function started(options: Partial<ClusterOptions> = {}): Promise<Machine> {
  const machine = new Machine()
  await machine.start(options)
  return machine
}

describe('feature levels', () => {
  it('are finalized from the first start on', async () => {
    const { cluster } = await started()
    assert.deepEqual(Object.fromEntries(cluster.finalizedFeatures().levels), Object.fromEntries(bootstrapLevels))
  })
})

describe('topics', () => {
  it('are reported as created if others of the same request exceed the limit', async () => {
    const machine = await started({ limits: { topics: 1_000, partitions: 100_000 } })
    const small = Array.from({ length: 200 }, (_, n) => newTopic(`small-${n}`, { numPartitions: 1 }))
    const large = Array.from({ length: 200 }, (_, n) => newTopic(`large-${n}`, { numPartitions: 60 }))
    const outcomes = await machine.create(...small, ...large)
    assert.deepEqual(
      [outcomes.slice(0, 200).some(each => each instanceof KafkaError), outcomes.slice(200).every(each => each instanceof KafkaError)],
      [false, true],
    )
    assert.equal(machine.names().length, 200)
    await assert.rejects(machine.create(...large), { name: 'POLICY_VIOLATION' })
  })

  it('can be found in every way once created', async () => {
    const machine = await started()
    const id = await machine.createId('b')
    await machine.createId('a')
    const { cluster, log } = machine
    assert.deepEqual(machine.names(), ['a', 'b'])
    assert.equal(cluster.topicId('b'), id)
    assert.equal(cluster.topicName(id), 'b')
    assert.equal(cluster.topicById(id), cluster.topic('b'))
    assert.equal(cluster.partition(id, 2), log.get(id, 2))
    assert.equal(cluster.partitionByName('b', 2), log.get(id, 2))
    assert.equal(cluster.partition(id, 3), undefined)
    assert.equal(cluster.partition(id, -1), undefined)
    assert.equal(cluster.partitionByName('c', 0), undefined)
    assert.equal(cluster.partitionCount, 6)
  })

  it('show only when they are durable', async () => {
    const machine = await started()
    machine.metadataLog.durable = false
    const creating = machine.cluster.createTopics([newTopic('a')], false)
    const again = machine.cluster.createTopics([newTopic('a')], false)
    await machine.system.settle()
    assert.equal(machine.cluster.topic('a'), undefined)
    machine.metadataLog.sync()
    await run(machine.system, creating)
    assert.ok(machine.cluster.topic('a'))
    const [outcome] = await run(machine.system, again)
    assert.equal((outcome as KafkaError).name, 'TOPIC_ALREADY_EXISTS')
  })

  it('many of one request share a batch', async () => {
    const machine = await started()
    const before = machine.metadataLog.batches.length
    await machine.create(...Array.from({ length: 200 }, (_, index) => newTopic(`t${index}`)))
    assert.equal(machine.cluster.partitionCount, 600)
    assert.equal(machine.metadataLog.batches.length, before + 1)
  })

  it('are gone when deleted, and their name gets another id', async () => {
    const machine = await started()
    const id = await machine.createId('a')
    assert.deepEqual(await machine.delete(id), [null])
    assert.equal(machine.cluster.topic('a'), undefined)
    assert.equal(machine.cluster.partitionCount, 0)
    assert.deepEqual(machine.log.deleted, ['a-0', 'a-1', 'a-2'])
    assert.notEqual(await machine.createId('a'), id)
  })

  it('grow', async () => {
    const machine = await started()
    const id = await machine.createId('a')
    const topic = machine.cluster.topic('a')!
    const added: number[] = []
    machine.cluster.subscribe({ partitionsAdded: (_topic, from) => added.push(from) })
    await run(machine.system, machine.cluster.createPartitions([{ name: 'a', count: 5, assignments: null }], false))
    assert.equal(topic.partitions.length, 5)
    assert.equal(topic.partitions[4]!.log, machine.log.get(id, 4))
    assert.deepEqual(added, [3])
    assert.equal(machine.cluster.partitionCount, 5)
  })

  it('are created once when many ask for an internal one', async () => {
    const machine = await started()
    const asked = [1, 2, 3].map(() => machine.cluster.ensureInternalTopic('__consumer_offsets'))
    const topics = await run(machine.system, Promise.all(asked))
    assert.equal(new Set(topics).size, 1)
    assert.equal(topics[0]!.internal, true)
    assert.equal(topics[0]!.partitions.length, 2)
    assert.equal(topics[0]!.partitions[0]!.log!.config.retentionMs, -1)
  })

  it('tell those who listen', async () => {
    const machine = await started()
    const heard: string[] = []
    const subscription = machine.cluster.subscribe({
      topicCreated: ({ name }) => heard.push(`created ${name}`),
      topicDeleted: ({ name }) => heard.push(`deleted ${name}`),
    })
    await machine.delete(await machine.createId('a'))
    subscription.unsubscribe()
    await machine.createId('b')
    assert.deepEqual(heard, ['created a', 'deleted a'])
  })
})

describe('a disk that refuses', () => {
  it('keeps a topic invisible until its partitions open', async () => {
    const machine = await started()
    machine.log.broken = 'a'
    const [outcome, other] = await machine.create(newTopic('a'), newTopic('b'))
    assert.equal((outcome as KafkaError).name, 'KAFKA_STORAGE_ERROR')
    assert.ok(!(other instanceof KafkaError))
    assert.deepEqual(machine.names(), ['b'])
    assert.equal((await run(machine.system, machine.cluster.topicIds())).size, 2)
    machine.log.broken = null
    await machine.system.advance(10_000)
    assert.deepEqual(machine.names(), ['a', 'b'])
  })

  it('does not make a deletion that is not durable yet look like a loss of metadata', async () => {
    const machine = new Machine()
    let disk = Promise.resolve()
    const replaceFile = (path: string, content: Uint8Array) => disk.then(() => machine.system.files.replaceFile(path, content))
    const system = { ...machine.system, files: { ...machine.system.files, replaceFile } }
    await machine.start({ system, snapshotAfterRecords: 1 })
    const id = await machine.createId('a')
    // What was published last waits for its snapshot, so what the reload finds is taken over only afterwards.
    const { promise, resolve: letGo } = Promise.withResolvers<void>()
    disk = promise
    const waiting = machine.cluster.createTopics([newTopic('b')], false)
    await machine.system.settle()
    machine.metadataLog.failNext = new KafkaError('KAFKA_STORAGE_ERROR', 'no space left')
    await assert.rejects(run(machine.system, machine.cluster.createTopics([newTopic('c')], false)), { name: 'NOT_CONTROLLER' })
    await machine.system.settle()
    machine.metadataLog.durable = false
    const deleting = machine.cluster.deleteTopics([id])
    await machine.system.settle()
    letGo()
    await run(machine.system, waiting)
    await machine.system.settle()
    assert.deepEqual(machine.names(), ['a', 'b'])
    machine.metadataLog.sync()
    assert.deepEqual(await run(machine.system, deleting), [null])
    assert.deepEqual(machine.names(), ['b'])
    assert.deepEqual(machine.log.deleted, ['a-0', 'a-1', 'a-2'])
    assert.doesNotMatch(machine.said.join(), /not in the metadata/)
  })

  it('costs nothing but the change that could not be written', async () => {
    const machine = await started()
    await machine.createId('a')
    machine.metadataLog.failNext = new KafkaError('KAFKA_STORAGE_ERROR', 'no space left')
    await assert.rejects(run(machine.system, machine.cluster.createTopics([newTopic('b')], false)), { name: 'NOT_CONTROLLER' })
    await machine.system.settle()
    assert.deepEqual(machine.names(), ['a'])
    await machine.createId('b')
    assert.deepEqual(machine.names(), ['a', 'b'])
    await machine.restart()
    assert.deepEqual(machine.names(), ['a', 'b'])
  })
})

describe('after a restart', () => {
  it('everything is as it was', async () => {
    const machine = await started()
    const id = await machine.createId('a')
    await machine.delete(await machine.createId('b'))
    const edit = () => new Map([['retention.ms', '42']])
    await run(machine.system, machine.cluster.applyConfigs([{ type: 'TOPIC', name: 'a', edit }], false))
    await machine.restart()
    assert.deepEqual(machine.names(), ['a'])
    assert.equal(machine.cluster.topicId('a'), id)
    assert.equal(machine.cluster.partition(id, 0)!.config.retentionMs, 42)
    assert.deepEqual([...machine.cluster.configs('TOPIC', 'a')], [['retention.ms', '42']])
    assert.deepEqual(Object.fromEntries(machine.cluster.finalizedFeatures().levels), Object.fromEntries(bootstrapLevels))
    assert.deepEqual(machine.said, [])
  })

  it('data that no topic claims is left alone', async () => {
    const machine = await started()
    const topicId = 'BBBBBBBBBBBBBBBBBBBBBA' as Uuid
    machine.log.create({ topic: 'lost', topicId, partition: 0, config: testRules.effectiveTopicConfig(new Map()) })
    await machine.restart()
    assert.match(machine.said.join(), /a partition directory that belongs to no topic.*lost/)
    assert.ok(machine.log.disk.has(`${topicId}:0`))
    assert.deepEqual(machine.names(), [])
  })

  it('a topic with the name of the metadata, which older versions let clients create, is out of reach', async () => {
    const machine = await started()
    const id = 'BBBBBBBBBBBBBBBBBBBBBA' as Uuid
    const records = [
      encodeMetadataRecord({ type: 'TopicRecord', name: '__cluster_metadata', topicId: id }),
      encodeMetadataRecord(newPartitionRecord(id, 0, [1])),
    ]
    machine.metadataLog.append(buildBatch({ records, timestamp: 1 }), { origin: 'coordinator' })
    await machine.restart()
    assert.match(machine.said.join(), /ignoring.*__cluster_metadata/)
    assert.deepEqual(machine.names(), [])
    assert.equal(machine.log.partitions.has(`${id}:0`), false)
    assert.equal((await machine.delete(id))[0]?.name, 'POLICY_VIOLATION')
    await machine.createId('a')
    await machine.restart()
    assert.deepEqual(machine.names(), ['a'])
  })

  it('a deletion that was under way is finished', async () => {
    const machine = await started()
    const id = await machine.createId('a')
    const left = machine.log.disk.get(`${id}:0`)!
    await machine.delete(id)
    machine.log.disk.set(`${id}:0`, left)
    await machine.restart()
    assert.deepEqual(machine.log.deleted, ['a-0'])
    assert.equal(machine.log.disk.has(`${id}:0`), false)
  })
})

describe('configs', () => {
  it('reach the partitions', async () => {
    const machine = await started()
    const id = await machine.createId('a')
    const heard: string[] = []
    machine.cluster.subscribe({ configChanged: (type, name) => heard.push(`${type} ${name}`) })
    const change = (value: string | null) =>
      run(
        machine.system,
        machine.cluster.applyConfigs([{ type: 'TOPIC', name: 'a', edit: () => new Map([['retention.ms', value]]) }], false),
      )
    await change('9')
    assert.equal(machine.cluster.partition(id, 1)!.config.retentionMs, 9)
    assert.deepEqual(machine.cluster.configResources('TOPIC'), ['a'])
    await change(null)
    assert.equal(machine.cluster.partition(id, 1)!.config.retentionMs, 604_800_000)
    assert.deepEqual(machine.cluster.configResources('TOPIC'), [])
    assert.deepEqual(heard, ['TOPIC a', 'TOPIC a'])
  })

  it('are edited one at a time, however many come concurrently', async () => {
    const machine = await started()
    const add = (key: string) =>
      machine.cluster.applyConfigs(
        [{ type: 'GROUP', name: 'g', edit: current => new Map([['all', `${current.get('all') ?? ''}${key}`]]) }],
        false,
      )
    await run(machine.system, Promise.all(['a', 'b', 'c'].map(add)))
    assert.equal(machine.cluster.configs('GROUP', 'g').get('all'), 'abc')
  })
})

describe('producer ids', () => {
  it('are never given twice', async () => {
    const machine = await started()
    const seen = new Set<Int64>()
    for (let restart = 0; restart < 3; restart++) {
      for (let index = 0; index < 1_500; index++) {
        const id = machine.cluster.newProducerId()
        seen.add(typeof id === 'object' ? await run(machine.system, id) : id)
      }
      await machine.restart()
    }
    assert.equal(seen.size, 4_500)
  })

  it('come one by one to those who wait for the same block', async () => {
    const machine = await started()
    const ids = Array.from({ length: 5 }, () => Promise.resolve(machine.cluster.newProducerId()))
    assert.deepEqual(await run(machine.system, Promise.all(ids)), [0, 1, 2, 3, 4])
  })
})

describe('snapshots', () => {
  const often = { snapshotAfterRecords: 10 }

  it('replace the log before them', async () => {
    const machine = await started(often)
    for (let index = 0; index < 30; index++) await machine.createId(`t${index}`)
    assert.equal(machine.snapshots().length, 2)
    assert.match(machine.snapshots()[0]!, /^\d{20}-0000000000\.checkpoint$/)
    assert.ok(machine.metadataLog.logStartOffset > 80)
    assert.equal(Number(machine.snapshots()[0]!.slice(0, 20)), machine.metadataLog.logStartOffset)
    const ids = machine.cluster.topics().map(topic => topic.id)
    await machine.restart(often)
    assert.deepEqual(
      machine.cluster.topics().map(topic => topic.id),
      ids,
    )
    await machine.createId('more')
    await machine.restart(often)
    assert.equal(machine.names().length, 31)
    assert.deepEqual(machine.said, [])
  })

  it('a torn one is ignored for the one before it', async () => {
    const machine = await started(often)
    for (let index = 0; index < 30; index++) await machine.createId(`t${index}`)
    const path = `/data/__cluster_metadata-0/${machine.snapshots().at(-1)}`
    const bytes = machine.system.files.readFile(path)!
    for (const torn of [bytes.subarray(0, bytes.length - 1), Buffer.concat([bytes.subarray(0, 300), Buffer.alloc(bytes.length - 300)])]) {
      await machine.system.files.replaceFile(path, torn)
      // Not so often: no newer snapshot may be taken now.
      await machine.restart()
      assert.equal(machine.names().length, 30)
      assert.match(machine.said.pop()!, /ignoring an incomplete metadata snapshot/)
    }
  })

  it('a damaged first one loses nothing: the log before it still exists', async () => {
    const machine = await started(often)
    machine.system.files.makeDirectory('/data/__cluster_metadata-0')
    for (let index = 0; machine.snapshots().length === 0; index++) await machine.createId(`t${index}`)
    const names = machine.names()
    const path = `/data/__cluster_metadata-0/${machine.snapshots()[0]}`
    await machine.system.files.replaceFile(path, machine.system.files.readFile(path)!.fill(0, 100))
    await machine.restart()
    assert.deepEqual(machine.names(), names)
  })

  it('an unreadable one is skipped', async () => {
    const machine = await started(often)
    for (let index = 0; index < 30; index++) await machine.createId(`t${index}`)
    const bad = `/data/__cluster_metadata-0/${machine.snapshots().at(-1)}`
    const { files } = machine.system
    const { readFile } = files
    files.readFile = path => {
      if (path === bad) throw new DiskError('read', path, 'EIO')
      return readFile(path)
    }
    await machine.restart()
    assert.equal(machine.names().length, 30)
    assert.match(machine.said.pop()!, /cannot read a metadata snapshot/)
  })

  it('a damaged one from an import, without any other copy, is an error, not an empty cluster', async () => {
    const machine = new Machine()
    machine.system.files.makeDirectory('/data/__cluster_metadata-0')
    await machine.system.files.replaceFile(`/data/__cluster_metadata-0/${'0'.repeat(20)}-${'0'.repeat(10)}.checkpoint`, Buffer.alloc(500))
    await assert.rejects(machine.start(), { message: /no intact snapshot/ })
  })

  it('without a good one a shortened log is an error, not an empty cluster', async () => {
    const machine = await started(often)
    for (let index = 0; index < 30; index++) await machine.createId(`t${index}`)
    for (const name of machine.snapshots()) machine.system.files.remove(`/data/__cluster_metadata-0/${name}`)
    await assert.rejects(machine.restart(often), { message: /no intact snapshot/ })
  })
})
