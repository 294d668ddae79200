/**
 * Internal topics with forged, mutated or truncated records, as the client id `__admin_client` can write them: whatever they contain, the
 * coordinators load them, answer every request about every group, and continue to serve other clients.
 */
import { startBroker } from '../../src/millrace.ts'
import {
  apis,
  buildBatch,
  type CoordinatorRecord,
  classicGroupRecords,
  consumerGroupRecords,
  encodeRecordKey,
  encodeRecordValue,
  errorName,
  type NewRecord,
  shareGroupRecords,
  shareStateRecords,
  streamsGroupRecords,
  transactionRecords,
} from '../../src/protocol.ts'
import { connect, createTopic, produce, type RawClient } from '../../test/support/client.ts'
import type { SeededRandom } from '../world/random.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { randomMessage } from './grammar.ts'
import { mutate } from './mutate.ts'

const kinds: Record<string, CoordinatorRecord[]> = {
  __consumer_offsets: [classicGroupRecords, consumerGroupRecords, shareGroupRecords, streamsGroupRecords].flatMap(each =>
    Object.values(each),
  ),
  __transaction_state: Object.values(transactionRecords),
  __share_group_state: Object.values(shareStateRecords),
}
const groups = ['group-a', 'group-b', 'group-c']
const names = [...groups, 'member-a', 'member-b', 'fuzz', 'consumer', 'range', 'uniform', 'tx-a', 'tx-b', '__transaction_state', '0', '1']
const recordsPerRound = 12
/** A coordinator that is being loaded again says so; then the next attempt finds it. */
const attempts = 20

export async function coordinatorFuzzer(): Promise<Fuzzer> {
  const config = {
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.num.partitions': '1',
  }
  const broker = await startBroker({ memory: true, config })
  const innocent = await connect(broker.port, 'innocent')
  const forger = await connect(broker.port, '__admin_client')
  await createTopic(innocent, 'fuzz', 3)
  for (const [keyType, key] of [
    [0, 'g'],
    [1, 'tx'],
    [2, 'g:AAAAAAAAAAAAAAAAAAAAAQ:0'],
  ] as const) {
    await innocent.request(apis.findCoordinator, 6, { keyType, coordinatorKeys: [key] })
  }
  let round = 0
  return {
    name: 'coordinators',
    async once(random) {
      const forged: Buffer[] = []
      for (const topic of Object.keys(kinds)) {
        const records = Array.from({ length: recordsPerRound }, () => forgedRecord(kinds[topic]!, random))
        for (const { key, value } of records) forged.push(Buffer.from(`${key?.toString('hex')} ${value?.toString('hex')}\n`))
        const { errorCode } = await produce(forger, topic, buildBatch({ records, timestamp: Date.now() }))
        if (errorCode !== 0) throw new FuzzFinding(`${topic} refuses ${errorName(errorCode)}`, Buffer.concat(forged))
      }
      try {
        await othersAreServed(innocent, round++)
        await askAll(innocent)
      } catch (error) {
        throw new FuzzFinding((error as Error).message, Buffer.concat(forged))
      }
    },
    async close() {
      innocent.close()
      forger.close()
      await broker.close()
    },
  }
}

function forgedRecord(among: CoordinatorRecord[], random: SeededRandom): NewRecord {
  const kind = random.pick(among)
  const version = kind.value.minVersion + random.below(kind.value.maxVersion - kind.value.minVersion + 1)
  const key = encodeRecordKey(kind, randomMessage(kind.key.fields, { random, version: 0, names }) as never)
  const value = encodeRecordValue(kind, version, randomMessage(kind.value.fields, { random, version, names }) as never)
  return {
    key: random.chance(0.1) ? mutate(key, random) : key,
    value: random.chance(0.1) ? null : random.chance(0.2) ? mutate(value, random) : value,
  }
}

async function othersAreServed(client: RawClient, round: number): Promise<void> {
  await eventually('an offset is committed', async () => {
    const partitions = [{ partitionIndex: 0, committedOffset: round, committedLeaderEpoch: -1, committedMetadata: '' }]
    const request = {
      groupId: 'innocent',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: 'fuzz', partitions }],
    }
    return (await client.request(apis.offsetCommit, 8, request)).topics[0]!.partitions[0]!.errorCode
  })
  const asked = [{ groupId: 'innocent', topics: [{ name: 'fuzz', partitionIndexes: [0] }] }]
  const { groups: fetched } = await client.request(apis.offsetFetch, 8, { groups: asked, requireStable: false })
  const { committedOffset } = fetched[0]!.topics[0]!.partitions[0]!
  if (committedOffset !== round) throw new Error(`the offset ${round} is ${committedOffset}`)
  await eventually('a producer begins', async () => {
    const request = { transactionalId: 'innocent', transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
    return (await client.request(apis.initProducerId, 5, request)).errorCode
  })
}

async function eventually(what: string, ask: () => Promise<number>): Promise<void> {
  let last = 0
  for (let attempt = 0; attempt < attempts; attempt++) {
    last = await ask()
    if (last === 0) return
    await new Promise(resolve => setTimeout(resolve, attempt))
  }
  throw new Error(`${what}: ${errorName(last)}`)
}

/** Every API that looks at groups, transactions and share state: answers may be errors, but not of the server. */
async function askAll(client: RawClient): Promise<void> {
  const listed = await client.request(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
  const all = [...new Set([...groups, ...listed.groups.map(({ groupId }) => groupId)])]
  const answers = [
    listed,
    await client.request(apis.describeGroups, 6, { groups: all, includeAuthorizedOperations: false }),
    await client.request(apis.consumerGroupDescribe, 1, { groupIds: all, includeAuthorizedOperations: false }),
    await client.request(apis.shareGroupDescribe, 1, { groupIds: all, includeAuthorizedOperations: false }),
    await client.request(apis.streamsGroupDescribe, 0, { groupIds: all, includeAuthorizedOperations: false }),
    await client.request(apis.offsetFetch, 8, { groups: all.map(groupId => ({ groupId, topics: null })), requireStable: true }),
    await client.request(apis.describeShareGroupOffsets, 0, { groups: all.map(groupId => ({ groupId, topics: null })) }),
    await client.request(apis.listTransactions, 1, { stateFilters: [], producerIdFilters: [], durationFilter: -1 }),
    await client.request(apis.describeTransactions, 0, { transactionalIds: names }),
  ]
  for (const answer of answers) {
    const text = JSON.stringify(answer, said)
    if (text.includes('"UNKNOWN_SERVER_ERROR"')) throw new Error(`an error of the server: ${text}`)
  }
}

function said(name: string, value: unknown): unknown {
  if (name === 'errorCode') return errorName(value as number)
  return typeof value === 'bigint' ? String(value) : value
}
