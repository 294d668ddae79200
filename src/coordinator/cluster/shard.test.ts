import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Int64, maxInt64 } from '../../base.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import type { Decision } from '../shard.ts'
import { decided, newTopic, testRules } from './cluster.testing.ts'
import type { Deciding } from './deciding.ts'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'
import { ClusterShard } from './shard.ts'
import type { NewTopic } from './types.ts'

const ids = ['AAAAAAAAAAAAAAAAAAAAAg', 'AAAAAAAAAAAAAAAAAAAAAw', 'AAAAAAAAAAAAAAAAAAAABA', 'AAAAAAAAAAAAAAAAAAAABQ'] as Uuid[]

function makeShard(limits = { topics: 100, partitions: 1_000 }): ClusterShard {
  let next = 0
  const shard = new ClusterShard({
    brokerId: 7,
    rules: testRules,
    limits,
    newTopicId: () => ids[next++ % ids.length]!,
    replayed() {},
    loaded() {},
  })
  shard.loaded()
  return shard
}

/** Makes the decision true, as the runtime does, and returns its records. */
function apply<R>(shard: ClusterShard, made: Decision<R> | Deciding<R>): { records: MetadataRecord[]; response: R } {
  const decision = decided(made)
  for (const record of decision.records) shard.replay(record, shard.nextOffset)
  return { records: decision.records.map(record => decodeMetadataRecord(record.value!)), response: decision.response as R }
}

function create(shard: ClusterShard, ...topics: NewTopic[]) {
  return apply(shard, shard.createTopics(topics, false))
}

function told(outcome: unknown): string {
  assert.ok(outcome instanceof KafkaError, `expected an error, got ${JSON.stringify(outcome)}`)
  return `${outcome.name}: ${outcome.message}`
}

/** What the shard answers to one topic that it refuses. */
function refusal(shard: ClusterShard, topic: NewTopic): string {
  const { records, response } = create(shard, topic)
  assert.deepEqual(records, [])
  return told(response[0])
}

const partition = {
  type: 'PartitionRecord',
  topicId: ids[0],
  replicas: [7],
  isr: [7],
  removingReplicas: [],
  addingReplicas: [],
  leader: 7,
  leaderRecoveryState: 0,
  leaderEpoch: 0,
  partitionEpoch: 0,
  directories: ['AAAAAAAAAAAAAAAAAAAAAA'],
  eligibleLeaderReplicas: null,
  lastKnownElr: null,
}

describe('creating topics', () => {
  it('writes the topic, then its configs, then its partitions', () => {
    const shard = makeShard()
    const { records, response } = create(shard, newTopic('a', { numPartitions: 2, configs: [{ name: 'retention.ms', value: '5' }] }))
    assert.deepEqual(records, [
      { type: 'TopicRecord', name: 'a', topicId: ids[0] },
      { type: 'ConfigRecord', resourceType: 'TOPIC', resourceName: 'a', name: 'retention.ms', value: '5' },
      { ...partition, partitionId: 0 },
      { ...partition, partitionId: 1 },
    ])
    const configs = new Map([['retention.ms', '5']])
    assert.deepEqual(response, [{ id: ids[0], numPartitions: 2, replicationFactor: 1, configs }])
    assert.deepEqual([...shard.image.configs.of('TOPIC', 'a')], [['retention.ms', '5']])
  })

  it('takes the defaults for -1', () => {
    const { response } = create(makeShard(), newTopic('a'))
    assert.equal((response[0] as { numPartitions: number }).numPartitions, 3)
  })

  it('lets the good ones through beside the bad ones', () => {
    const shard = makeShard()
    const { response } = create(shard, newTopic('bad name'), newTopic('good'))
    assert.match(told(response[0]), /^INVALID_TOPIC_EXCEPTION: /)
    assert.deepEqual([...shard.image.topics.byName.keys()], ['good'])
  })

  it('only validates when asked to', () => {
    const shard = makeShard()
    const { records, response } = apply(shard, shard.createTopics([newTopic('a')], true))
    assert.deepEqual(records, [])
    assert.equal((response[0] as { numPartitions: number }).numPartitions, 3)
  })

  it('never gives an id twice at a time', () => {
    const shard = makeShard()
    create(shard, newTopic('a'), newTopic('b'), newTopic('c'))
    apply(shard, shard.deleteTopics([ids[1]!]))
    const { response } = create(shard, newTopic('d'), newTopic('e'))
    const given = response.map(outcome => (outcome as { id: Uuid }).id)
    assert.deepEqual(given, [ids[3], ids[1]])
  })

  it('never gives an id twice in one request', () => {
    const unlucky = [ids[0]!, ids[0]!, ids[1]!]
    const options = { brokerId: 7, rules: testRules, limits: { topics: 9, partitions: 9 }, replayed() {}, loaded() {} }
    const shard = new ClusterShard({ ...options, newTopicId: () => unlucky.shift()! })
    const given = create(shard, newTopic('a'), newTopic('b')).response.map(outcome => (outcome as { id: Uuid }).id)
    assert.deepEqual(given, [ids[0], ids[1]])
  })

  it('refuses names as Kafka does', () => {
    const shard = makeShard()
    create(shard, newTopic('a.b'))
    assert.equal(refusal(shard, newTopic('')), 'INVALID_TOPIC_EXCEPTION: Topic name is invalid: the empty string is not allowed')
    assert.equal(refusal(shard, newTopic('..')), "INVALID_TOPIC_EXCEPTION: Topic name is invalid: '..' is not allowed")
    assert.match(refusal(shard, newTopic('x'.repeat(250))), /is longer than the max allowed length 249$/)
    assert.match(refusal(shard, newTopic('a\n')), /contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'$/)
    assert.equal(refusal(shard, newTopic('a_b')), "INVALID_TOPIC_EXCEPTION: Topic 'a_b' collides with existing topic: a.b")
    assert.equal(refusal(shard, newTopic('a.b')), "TOPIC_ALREADY_EXISTS: Topic 'a.b' already exists.")
    assert.ok(!(create(shard, newTopic('x'.repeat(249))).response[0] instanceof KafkaError))
  })

  it('creates the internal topics, whatever similar names exist', () => {
    const shard = makeShard()
    create(shard, newTopic('__consumer.offsets'), newTopic('__transaction.state'))
    for (const name of ['__consumer_offsets', '__transaction_state']) {
      assert.ok(!(create(shard, newTopic(name)).response[0] instanceof KafkaError))
      assert.match(refusal(shard, newTopic(name.replaceAll('_', '.'))), /^INVALID_TOPIC_EXCEPTION: .* collides with existing topic: /)
    }
  })

  it('forgets a collision when the topic is deleted', () => {
    const shard = makeShard()
    create(shard, newTopic('a.b'))
    apply(shard, shard.deleteTopics([ids[0]!]))
    assert.ok(!(create(shard, newTopic('a_b')).response[0] instanceof KafkaError))
  })

  it('refuses counts, factors and configs as Kafka does', () => {
    const shard = makeShard()
    assert.match(refusal(shard, newTopic('a', { numPartitions: 0 })), /^INVALID_PARTITIONS: Number of partitions was set to an invalid/)
    assert.match(refusal(shard, newTopic('a', { replicationFactor: 0 })), /^INVALID_REPLICATION_FACTOR: Replication factor must be larger/)
    assert.match(
      refusal(shard, newTopic('a', { replicationFactor: 3 })),
      /^INVALID_REPLICATION_FACTOR: .* only 1 broker\(s\) are registered.$/,
    )
    assert.match(refusal(shard, newTopic('a', { numPartitions: 2 ** 31 - 1 })), /^POLICY_VIOLATION: /)
    const config = (name: string, value: string | null) => newTopic('a', { configs: [{ name, value }] })
    assert.equal(refusal(shard, config('no.such', '1')), 'INVALID_CONFIG: Unknown topic config name: no.such')
    assert.equal(refusal(shard, config('retention.ms', null)), 'INVALID_CONFIG: Null value not supported for topic configs: retention.ms')
  })

  it('takes manual assignments to this broker only', () => {
    const shard = makeShard()
    const assigned = (...assignments: [number, number[]][]) =>
      newTopic('a', { assignments: assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })) })
    assert.match(refusal(shard, assigned([0, [7]], [0, [7]])), /^INVALID_REPLICA_ASSIGNMENT: Found multiple manual partition assignments/)
    assert.match(refusal(shard, assigned([0, [8]])), /includes broker 8, but no such broker is registered.$/)
    assert.match(refusal(shard, assigned([0, [7, 7]])), /includes the broker 7 more than once.$/)
    assert.match(refusal(shard, assigned([0, []])), /includes an empty replica list.$/)
    assert.match(refusal(shard, assigned([1, [7]])), /^INVALID_REPLICA_ASSIGNMENT: partitions should be a consecutive 0-based/)
    assert.match(refusal(shard, { ...assigned([0, [7]]), replicationFactor: 1 }), /^INVALID_REQUEST: A manual partition assignment/)
    assert.match(refusal(shard, { ...assigned([0, [7]]), numPartitions: 1 }), /^INVALID_REQUEST: A manual partition assignment/)
    assert.equal(create(shard, assigned([1, [7]], [0, [7]])).records.length, 3)
  })

  it('stays within the limits, counting what the same request creates', () => {
    const shard = makeShard({ topics: 2, partitions: 7 })
    const { response } = create(
      shard,
      newTopic('a'),
      newTopic('b', { numPartitions: 5 }),
      newTopic('c'),
      newTopic('d', { numPartitions: 1 }),
    )
    assert.match(told(response[1]), /^POLICY_VIOLATION: The request exceeds the limit cluster\.max\.partitions=7;/)
    assert.match(told(response[3]), /^POLICY_VIOLATION: The limit cluster\.max\.topics=2 is reached/)
    assert.deepEqual([...shard.image.topics.byName.keys()], ['a', 'c'])
  })

  it('does not count internal topics: groups can start when there is room for no other topic, and take none', () => {
    const shard = makeShard({ topics: 1, partitions: 3 })
    const internal = ['__consumer_offsets', '__transaction_state', '__share_group_state']
    const created = (...names: string[]) =>
      create(shard, ...names.map(name => newTopic(name, { numPartitions: 3 }))).response.map(each =>
        each instanceof KafkaError ? told(each) : 'created',
      )
    assert.deepEqual(created(internal[0]!), ['created'])
    assert.deepEqual(created('a', 'b'), ['created', 'POLICY_VIOLATION: The limit cluster.max.topics=1 is reached.'])
    assert.deepEqual(created(internal[1]!, internal[2]!), ['created', 'created'])
    const { response } = apply(shard, shard.createPartitions([{ name: 'a', count: 4, assignments: null }], false))
    assert.match(told(response[0]), /^POLICY_VIOLATION: The request exceeds the limit cluster\.max\.partitions=3; there are 3 partitions/)
  })
})

describe('adding partitions', () => {
  it('writes the new ones only', () => {
    const shard = makeShard()
    create(shard, newTopic('a'))
    const { records, response } = apply(shard, shard.createPartitions([{ name: 'a', count: 4, assignments: null }], false))
    assert.deepEqual(records, [{ ...partition, partitionId: 3 }])
    assert.deepEqual(response, [null])
    assert.equal(shard.image.topics.partitionCount, 4)
  })

  it('refuses as Kafka does', () => {
    const shard = makeShard()
    create(shard, newTopic('a'))
    const refuse = (name: string, count: number, brokers: number[][] | null = null) => {
      const assignments = brokers?.map(brokerIds => ({ brokerIds })) ?? null
      const { records, response } = apply(shard, shard.createPartitions([{ name, count, assignments }], false))
      assert.deepEqual(records, [])
      return told(response[0])
    }
    assert.match(refuse('b', 4), /^UNKNOWN_TOPIC_OR_PARTITION: /)
    assert.equal(refuse('a', 3), 'INVALID_PARTITIONS: Topic already has 3 partition(s).')
    assert.equal(refuse('a', 2), 'INVALID_PARTITIONS: The topic a currently has 3 partition(s); 2 would not be an increase.')
    assert.match(refuse('a', 5, [[7]]), /^INVALID_REPLICA_ASSIGNMENT: Attempted to add 2 additional partition\(s\), but only 1/)
    assert.match(refuse('a', 4, [[9]]), /no such broker is registered/)
    assert.match(refuse('a', 2 ** 31 - 1), /^POLICY_VIOLATION: /)
  })
})

describe('deleting topics', () => {
  it('removes the topic with its configs', () => {
    const shard = makeShard()
    create(shard, newTopic('a', { configs: [{ name: 'retention.ms', value: '5' }] }))
    const { records, response } = apply(shard, shard.deleteTopics([ids[0]!, ids[2]!]))
    assert.deepEqual(records, [{ type: 'RemoveTopicRecord', topicId: ids[0] }])
    assert.equal(response[0], null)
    assert.match(told(response[1]), /^UNKNOWN_TOPIC_ID: /)
    assert.equal(shard.image.topics.partitionCount, 0)
    assert.equal(shard.image.configs.of('TOPIC', 'a').size, 0)
  })
})

describe('configs', () => {
  it('writes what changes, from the newest state', () => {
    const shard = makeShard()
    const change = (values: [string, string | null][]) =>
      apply(shard, shard.applyConfigs([{ type: 'BROKER', name: '7', edit: () => new Map(values) }], false)).records
    const record = { type: 'ConfigRecord', resourceType: 'BROKER', resourceName: '7' }
    assert.deepEqual(
      change([
        ['x', '1'],
        ['y', '2'],
      ]),
      [
        { ...record, name: 'x', value: '1' },
        { ...record, name: 'y', value: '2' },
      ],
    )
    assert.deepEqual(
      change([
        ['x', '1'],
        ['y', null],
        ['z', null],
      ]),
      [{ ...record, name: 'y', value: null }],
    )
    assert.deepEqual([...shard.image.configs.of('BROKER', '7')], [['x', '1']])
  })

  it('knows no configs of a topic that does not exist, and takes a refusal', () => {
    const shard = makeShard()
    const refuse = () => {
      throw new KafkaError('INVALID_CONFIG', 'no')
    }
    const { response } = apply(
      shard,
      shard.applyConfigs(
        [
          { type: 'TOPIC', name: 'a', edit: () => new Map() },
          { type: 'GROUP', name: 'g', edit: refuse },
        ],
        false,
      ),
    )
    assert.match(told(response[0]), /^UNKNOWN_TOPIC_OR_PARTITION: /)
    assert.equal(told(response[1]), 'INVALID_CONFIG: no')
  })
})

describe('the image', () => {
  it('is led to by its own records', () => {
    const shard = makeShard()
    apply(shard, shard.bootstrap(new Map([['metadata.version', 25]])))
    create(shard, newTopic('a', { configs: [{ name: 'retention.ms', value: '5' }] }), newTopic('b'), newTopic('c'))
    apply(shard, shard.deleteTopics([ids[1]!]))
    apply(shard, shard.createPartitions([{ name: 'c', count: 5, assignments: null }], false))
    apply(shard, shard.applyConfigs([{ type: 'GROUP', name: 'g', edit: () => new Map([['k', 'v']]) }], false))
    assert.deepEqual(apply(shard, shard.allocateProducerIds()).response, { first: 0, count: 1000 })
    const records = [...shard.image.records()]
    const copy = makeShard()
    for (const record of records) copy.replay(encodeMetadataRecord(record), copy.nextOffset)
    assert.deepEqual([...copy.image.records()], records)
    assert.equal(records[0]!.type, 'FeatureLevelRecord')
    assert.deepEqual(apply(copy, copy.allocateProducerIds()).response, { first: 1000, count: 1000 })
    assert.equal(copy.image.topics.partitionCount, 8)
  })

  it('has one list for all partitions with the same replicas', () => {
    const shard = makeShard()
    create(shard, newTopic('a'), newTopic('b'))
    const [first, second] = ids.map(id => shard.image.topics.byId.get(id)?.partitions ?? [])
    const lists = ['replicas', 'isr', 'removingReplicas', 'addingReplicas', 'directories'] as const
    for (const each of lists) assert.equal(second![0]![each], first![2]![each], each)
    const moved = { ...first![1]!, replicas: [7, 8], isr: [8] }
    shard.replay(encodeMetadataRecord(moved), shard.nextOffset)
    assert.deepEqual([first![0]!.replicas, first![1]!.replicas, first![1]!.isr, first![2]!.isr], [[7], [7, 8], [8], [7]])
  })

  it('gives producer ids up to the last there is, each exactly', () => {
    const shard = makeShard()
    const startAt = (nextProducerId: Int64) =>
      shard.replay(encodeMetadataRecord({ type: 'ProducerIdsRecord', brokerId: 7, brokerEpoch: 0, nextProducerId }), shard.nextOffset)
    startAt(2n ** 53n - 500n)
    assert.deepEqual(apply(shard, shard.allocateProducerIds()).response, { first: 2 ** 53 - 500, count: 1000 })
    assert.deepEqual(apply(shard, shard.allocateProducerIds()).response, { first: 2n ** 53n + 500n, count: 1000 })
    startAt(maxInt64 - 1000n)
    assert.deepEqual(apply(shard, shard.allocateProducerIds()).response, { first: maxInt64 - 1000n, count: 1000 })
    assert.throws(() => shard.allocateProducerIds(), /All producer ids are used up/)
  })

  it('does not write its bootstrap twice', () => {
    const shard = makeShard()
    const levels = new Map([['metadata.version', 25]])
    assert.equal(apply(shard, shard.bootstrap(levels)).records.length, 1)
    assert.equal(apply(shard, shard.bootstrap(levels)).records.length, 0)
  })

  it('refuses a record that it could not keep', () => {
    // Frame version 1, UnregisterControllerRecord (29), version 0: controller id, no tagged fields.
    const record = { key: null, value: Buffer.from([1, 29, 0, 0, 0, 0, 7, 0]) }
    assert.throws(() => makeShard().replay(record, 0), /does not support/)
  })
})

describe('bytes', () => {
  it('are those of Kafka', () => {
    const { value } = encodeMetadataRecord({ type: 'TopicRecord', name: 'foo', topicId: ids[0]! })
    // Frame version 1, api key 2, version 0, compact string, uuid, no tagged fields: MetadataRecordSerde of Apache Kafka.
    assert.equal(value!.toString('hex'), '01020004666f6f0000000000000000000000000000000200')
  })
})
