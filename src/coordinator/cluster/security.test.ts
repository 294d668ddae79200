import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KafkaError } from '../../protocol.ts'
import { testSystem } from '../runtime.testing.ts'
import { TestLog, testRules } from './cluster.testing.ts'
import { openClusterMetadata } from './open-cluster.ts'
import type { Acl } from './security-state.ts'
import type { ClusterMetadata } from './types.ts'

const acl = (over: Partial<Acl> = {}): Acl => ({
  resourceType: 2,
  resourceName: 'orders',
  patternType: 3,
  principal: 'User:alice',
  host: '*',
  operation: 3,
  permissionType: 3,
  ...over,
})
const every = { resourceType: 1, resourceName: null, patternType: 1, principal: null, host: null, operation: 1, permissionType: 1 }
const credential = { salt: Buffer.from('salt'), storedKey: Buffer.alloc(32, 1), serverKey: Buffer.alloc(32, 2), iterations: 4096 }
const token = {
  tokenId: 'id',
  owner: 'User:alice',
  requester: 'User:admin',
  renewers: ['User:bob'],
  issueTimestamp: 1,
  maxTimestamp: 3,
  expirationTimestamp: 2,
}

class Machine {
  readonly system = testSystem()
  log = new TestLog()
  cluster!: ClusterMetadata

  /** `snapshotAfterRecords`: 3 makes nearly every change a snapshot. */
  async start(snapshotAfterRecords: number): Promise<this> {
    const reporter = { info() {}, warn: (details: object, message: string) => assert.fail(`${message} ${JSON.stringify(details)}`) }
    const { system, log } = this
    this.cluster = await this.run(
      openClusterMetadata({ system, log, directory: '/data', brokerId: 7, rules: testRules, reporter, snapshotAfterRecords }),
    )
    return this
  }

  async restart(snapshotAfterRecords: number): Promise<void> {
    await this.run(this.cluster.close())
    this.log = new TestLog(this.log.disk)
    await this.start(snapshotAfterRecords)
  }

  /** Lets the machine run until the promise has settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    for (let turn = 0; turn < 1_000 && !settled; turn++) await this.system.settle()
    return promise
  }

  get security() {
    return this.cluster.security
  }
}

describe('the security of the cluster', () => {
  for (const [how, snapshotAfterRecords] of [
    ['from the log', 1_000_000],
    ['from a snapshot', 3],
  ] as const) {
    it(`survives a restart, ${how}`, async () => {
      const machine = await new Machine().start(snapshotAfterRecords)
      await machine.run(machine.security.createAcls([acl(), acl({ resourceName: 'gone' }), acl({ operation: 4 })]))
      await machine.run(machine.security.deleteAcls([{ ...every, resourceName: 'gone' }]))
      const upsertions = ['alice', 'bob'].map(name => ({ name, mechanism: 1, credential }))
      await machine.run(machine.security.alterScramCredentials([], [...upsertions, { name: 'alice', mechanism: 2, credential }]))
      await machine.run(machine.security.alterScramCredentials([{ name: 'bob', mechanism: 1 }], []))
      await machine.run(machine.security.storeToken({ ...token, tokenId: 'gone' }))
      await machine.run(machine.security.storeToken(token))
      await machine.run(machine.security.storeToken({ ...token, expirationTimestamp: 3 }))
      await machine.run(machine.security.removeTokens(['gone', 'never']))
      const before = machine.security.state
      await machine.restart(snapshotAfterRecords)
      const { state } = machine.security
      assert.notEqual(state, before)
      assert.deepEqual([...state.acls], [...before.acls])
      assert.deepEqual([...state.acls.values()], [acl(), acl({ operation: 4 })])
      assert.deepEqual(Object.fromEntries([...state.scramUsers].map(([name, by]) => [name, [...by.keys()]])), { alice: [1, 2] })
      assert.deepEqual(state.scramUsers.get('alice')!.get(1), credential)
      assert.deepEqual([...state.tokens.values()], [{ ...token, expirationTimestamp: 3 }])
    })
  }

  it('shows only what is durable, and all of it when the change settles', async () => {
    const machine = await new Machine().start(1_000_000)
    const { aclGeneration } = machine.security.state
    const creation = machine.security.createAcls([acl()])
    assert.equal(machine.security.state.acls.size, 0)
    await machine.run(creation)
    assert.equal(machine.security.state.acls.size, 1)
    assert.notEqual(machine.security.state.aclGeneration, aclGeneration)
  })

  it('keeps every ACL only once, even if it is added concurrently', async () => {
    const machine = await new Machine().start(1_000_000)
    const both = [machine.security.createAcls([acl(), acl()]), machine.security.createAcls([acl()])]
    await machine.run(Promise.all(both))
    assert.equal(machine.security.state.acls.size, 1)
    const deleted = await machine.run(Promise.all([machine.security.deleteAcls([every]), machine.security.deleteAcls([every])]))
    assert.deepEqual(
      deleted.map(([acls]) => acls!.length),
      [1, 0],
    )
  })

  it('rejects filters that together would check, or match, too many ACLs', async () => {
    const machine = await new Machine().start(1_000_000)
    await machine.run(machine.security.createAcls(Array.from({ length: 250 }, (_, n) => acl({ resourceName: `t${n}` }))))
    const acls = [...machine.security.state.acls.values()]
    const tooLarge = { name: 'POLICY_VIOLATION' }
    await assert.rejects(machine.run(machine.security.deleteAcls(Array(300).fill(every))), tooLarge)
    const matching = Array.from({ length: 3_000 }, (_, n) => ({ ...every, resourceName: `u${n}`, patternType: 2 }))
    await assert.rejects(machine.run(machine.security.deleteAcls(matching)), tooLarge)
    assert.equal(machine.security.state.acls.size, acls.length)
    // By name there may be as many as there are ACLs.
    const named = acls.map(({ resourceName }) => ({ ...every, resourceName }))
    const deleted = await machine.run(machine.security.deleteAcls([...named, ...named]))
    assert.deepEqual(
      deleted.map(found => found.length),
      Array(2 * acls.length).fill(1),
    )
    assert.equal(machine.security.state.acls.size, 0)
  })

  it('refuses what cannot be one operation, and what is not there', async () => {
    const machine = await new Machine().start(1_000_000)
    const many = Array.from({ length: 10_001 }, (_, n) => acl({ resourceName: `t${n}` }))
    await assert.rejects(machine.run(machine.security.createAcls(many)), (error: KafkaError) => error.name === 'POLICY_VIOLATION')
    const [missing] = await machine.run(machine.security.alterScramCredentials([{ name: 'nobody', mechanism: 1 }], []))
    assert.ok(missing instanceof KafkaError && missing.name === 'RESOURCE_NOT_FOUND')
  })
})
