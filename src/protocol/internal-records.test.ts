import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MalformedInput } from '../base.ts'
import * as internal from './internal-records.ts'
import { parseUuid, randomUuid, uuidFromBytes, uuidToBytes, zeroUuid } from './uuid.ts'

test('coordinator records: kind before the key, version before the value', () => {
  const { offsetCommit, groupMetadata } = internal.classicGroupRecords
  const key = internal.encodeRecordKey(offsetCommit, { group: 'g', topic: 't', partition: 3 })
  assert.equal(key.toString('hex'), '000100016700017400000003')
  assert.equal(internal.recordId(key), offsetCommit.id)
  assert.deepEqual(internal.decodeRecordKey(offsetCommit, key), { group: 'g', topic: 't', partition: 3 })
  assert.throws(() => internal.decodeRecordKey(groupMetadata, key), MalformedInput)

  const value = internal.encodeRecordValue(offsetCommit, 3, { offset: 5, leaderEpoch: 2, metadata: '', commitTimestamp: 9 })
  assert.equal(value.toString('hex'), '0003000000000000000500000002000000000000000000' + '09')
  const { offset, leaderEpoch, expireTimestamp, topicId } = internal.decodeRecordValue(offsetCommit, value)
  assert.deepEqual([offset, leaderEpoch, expireTimestamp, topicId], [5, 2, -1, zeroUuid])
  value.writeInt16BE(99)
  assert.throws(() => internal.decodeRecordValue(offsetCommit, value), /no version 99/)
})

test('metadata records: frame version, kind and version before the record', () => {
  const bytes = internal.encodeMetadataRecord(internal.metadataRecords.topic, 0, { name: 't', topicId: zeroUuid })
  assert.equal(bytes.toString('hex'), `010200${'0274'}${'00'.repeat(16)}00`)
  assert.deepEqual(internal.decodeMetadataRecord(bytes), { type: 'topic', version: 0, value: { name: 't', topicId: zeroUuid } })
  const bad = ['000200', '01ff7f00', '010209', `${bytes.toString('hex')}00`]
  for (const hex of bad) assert.throws(() => internal.decodeMetadataRecord(Buffer.from(hex, 'hex')), MalformedInput, hex)
})

test('no two records of a topic share their kind', () => {
  const { classicGroupRecords, consumerGroupRecords, shareGroupRecords, streamsGroupRecords } = internal
  const ofGroups = { ...classicGroupRecords, ...consumerGroupRecords, ...shareGroupRecords, ...streamsGroupRecords }
  for (const records of [ofGroups, internal.metadataRecords, internal.shareStateRecords]) {
    const ids = Object.values(records).map(record => record.id)
    assert.equal(new Set(ids).size, ids.length)
  }
})

test('a subscription of a future version is read as the newest known', () => {
  const { subscription } = internal.consumerProtocol
  const bytes = internal.encodeVersioned(subscription, 3, { topics: ['a'], generationId: 4, rackId: 'r' })
  bytes.writeInt16BE(9)
  const { topics, generationId, rackId } = internal.decodeConsumerProtocol(subscription, Buffer.concat([bytes, Buffer.from('new')]))
  assert.deepEqual([topics, generationId, rackId], [['a'], 4, 'r'])
  assert.throws(() => internal.decodeConsumerProtocol(subscription, Buffer.from('ffff', 'hex')), MalformedInput)
})

test('uuids: random ones are of version 4 and never look like a flag; text is checked', () => {
  const firsts = [0xfb, 0x12]
  const uuid = randomUuid({ fill: bytes => void bytes.fill(firsts.shift()!), below: () => 0 })
  assert.deepEqual(firsts, [])
  assert.equal(uuidToBytes(uuid).toString('hex'), '12121212121242129212121212121212')
  assert.equal(uuidFromBytes(uuidToBytes(uuid)), uuid)
  assert.equal(parseUuid(uuid), uuid)
  for (const text of ['', 'AAAAAAAAAAAAAAAAAAAAAB', `${uuid}A`, '!'.repeat(22)]) assert.equal(parseUuid(text), null, text)
})
