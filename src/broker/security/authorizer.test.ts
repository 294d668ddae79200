import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { processorMs } from '../../../test/support/processor-time.ts'
import { realSystem } from '../../base.ts'
import type { Acl } from '../../coordinator.ts'
import { silentLogger } from '../../logger.ts'
import { randomUuid, type Uuid } from '../../protocol.ts'
import { allOperations, operationCodes, patternTypes, permissionTypes, resourceTypeCodes } from './acl-codes.ts'
import { AclIndex, hostOf } from './acl-index.ts'
import { RequestAudit } from './audit.ts'
import { Authorizer } from './authorizer.ts'

const { random } = realSystem()
const { allow, deny } = permissionTypes
const { literal, prefixed } = patternTypes
const topic = resourceTypeCodes.TOPIC

function acl(over: Partial<Acl> = {}): Acl {
  return {
    resourceType: topic,
    resourceName: 'orders',
    patternType: literal,
    principal: 'User:alice',
    host: '*',
    operation: operationCodes.READ,
    permissionType: allow,
    ...over,
  }
}

class World {
  readonly state = { acls: new Map<Uuid, Acl>(), aclGeneration: 0 }
  readonly lines: { level: string; details: Record<string, unknown> }[] = []
  readonly logger = {
    ...silentLogger,
    level: 'info',
    info: (details: object) => void this.lines.push({ level: 'info', details: details as never }),
    debug: (details: object) => void this.lines.push({ level: 'debug', details: details as never }),
  }
  readonly authorizer: Authorizer

  constructor(acls: Acl[], open = false) {
    for (const each of acls) this.add(each)
    this.authorizer = new Authorizer({
      acls: { state: this.state } as never,
      superUsers: new Set(['User:root']),
      allowEveryoneIfNoAclFound: open,
      logger: this.logger,
    })
  }

  add(added: Acl): void {
    this.state.acls.set(randomUuid(random), added)
    this.state.aclGeneration++
  }

  may(operation: keyof typeof operationCodes, name: string, principal = 'User:alice', host = '10.0.0.1'): boolean {
    return this.authorizer.grants(principal, host).allowed(operation, 'TOPIC', name, null)
  }
}

describe('the authorizer', () => {
  it('refuses by default, and lets super users do everything', () => {
    const world = new World([acl({ permissionType: deny, principal: 'User:*', resourceName: '*', operation: allOperations })])
    assert.equal(world.may('READ', 'orders'), false)
    assert.equal(world.may('READ', 'orders', 'User:root'), true)
    assert.equal(new World([]).may('READ', 'orders'), false)
  })

  it('allows resources without ACLs only if configured, and never those with an ACL for another principal', () => {
    const world = new World([acl({ principal: 'User:bob' })], true)
    assert.equal(world.may('READ', 'free'), true)
    assert.equal(world.may('READ', 'orders'), false)
    assert.equal(world.may('READ', 'orders', 'User:bob'), true)
  })

  it('knows literal names, the wildcard and prefixes', () => {
    assert.equal(new World([acl()]).may('READ', 'orders2'), false)
    const world = new World([acl({ patternType: prefixed }), acl({ resourceName: '*', operation: operationCodes.WRITE })])
    assert.deepEqual(
      ['orders', 'orders2', 'order', 'xorders'].map(name => world.may('READ', name)),
      [true, true, false, false],
    )
    assert.equal(world.may('WRITE', 'anything'), true)
    const star = new World([acl({ resourceName: '*', patternType: prefixed })])
    assert.deepEqual(
      ['*', '*a', 'a'].map(name => star.may('READ', name)),
      [true, true, false],
    )
  })

  it('lets any matching DENY win, be it ever so general', () => {
    for (const general of [
      acl({ permissionType: deny, resourceName: '*' }),
      acl({ permissionType: deny, resourceName: 'o', patternType: prefixed }),
      acl({ permissionType: deny, principal: 'User:*' }),
      acl({ permissionType: deny, operation: allOperations, host: '10.0.0.1' }),
    ]) {
      assert.equal(new World([acl(), general]).may('READ', 'orders'), false)
      assert.equal(new World([general, acl()]).may('READ', 'orders'), false)
    }
    assert.equal(new World([acl(), acl({ permissionType: deny, host: '10.0.0.2' })]).may('READ', 'orders'), true)
  })

  it('implies DESCRIBE and DESCRIBE_CONFIGS by rights, not by prohibitions', () => {
    for (const operation of ['READ', 'WRITE', 'DELETE', 'ALTER'] as const) {
      assert.equal(new World([acl({ operation: operationCodes[operation] })]).may('DESCRIBE', 'orders'), true, operation)
    }
    assert.equal(new World([acl({ operation: operationCodes.CREATE })]).may('DESCRIBE', 'orders'), false)
    const configs = new World([acl({ operation: operationCodes.ALTER_CONFIGS })])
    assert.deepEqual([configs.may('DESCRIBE_CONFIGS', 'orders'), configs.may('DESCRIBE', 'orders')], [true, false])
    const denied = new World([acl({ operation: operationCodes.DESCRIBE }), acl({ permissionType: deny })])
    assert.deepEqual([denied.may('DESCRIBE', 'orders'), denied.may('READ', 'orders')], [true, false])
  })

  it('knows hosts in every spelling', () => {
    assert.equal(hostOf('::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(hostOf('::1'), '0:0:0:0:0:0:0:1')
    assert.equal(hostOf('2001:DB8::00ff'), '2001:db8:0:0:0:0:0:ff')
    const world = new World([acl({ host: '::1' })])
    assert.deepEqual(
      ['::1', '0:0:0:0:0:0:0:1', '::2'].map(host => world.may('READ', 'orders', 'User:alice', host)),
      [true, true, false],
    )
  })

  it('forgets what it remembered when an ACL comes or goes', () => {
    const world = new World([])
    const grants = world.authorizer.grants('User:alice', '10.0.0.1')
    const may = () => grants.allowed('READ', 'TOPIC', 'orders', null)
    assert.equal(may(), false)
    world.add(acl())
    assert.equal(may(), true)
    world.state.acls.clear()
    world.state.aclGeneration++
    assert.equal(may(), false)
  })

  it('caches names up to a total length, however many principals ask for however many', () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const used = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const world = new World([acl()])
    const before = used()
    for (let host = 0; host < 40; host++) {
      for (let n = 0; n < 5_000; n++) world.may('READ', `${host}-${n}-`.padEnd(250, 'x'), 'User:alice', `10.0.1.${host}`)
    }
    assert.ok(used() - before < 32 * 2 ** 20, `${(used() - before) / 2 ** 20} MiB`)
    assert.equal(world.may('READ', 'orders', 'User:alice', '10.0.1.0'), true)
    assert.equal(world.may('READ', 'other', 'User:alice', '10.0.1.0'), false)
    world.state.acls.clear()
    world.state.aclGeneration++
    assert.equal(world.may('READ', 'orders', 'User:alice', '10.0.1.0'), false)
  })

  it('writes refusals to the audit log, permissions only at debug, and probes never', () => {
    const world = new World([acl()])
    const grants = world.authorizer.grants('User:alice', '10.0.0.1')
    const lines = (...names: (string | null)[]) => {
      const audit = new RequestAudit('Fetch')
      for (const name of names) grants.allowed('READ', 'TOPIC', name ?? 'other', name === null ? null : audit)
      world.lines.length = 0
      world.authorizer.write(audit)
      return world.lines
    }
    assert.deepEqual(lines('orders', null), [])
    const details = {
      principal: 'User:alice',
      host: '10.0.0.1',
      operation: 'READ',
      resourceType: 'TOPIC',
      resource: 'other',
      api: 'Fetch',
      rule: 'DefaultDeny',
    }
    assert.deepEqual(lines('other', 'other'), [{ level: 'info', details }])
    world.logger.level = 'debug'
    assert.deepEqual(
      lines('orders', 'other').map(({ level }) => level),
      ['debug', 'info'],
    )
  })

  it('audits a request with very many refusals in a line for each type of resource', () => {
    const world = new World([])
    const grants = world.authorizer.grants('User:alice', '10.0.0.1')
    const audit = new RequestAudit('DeleteTopics')
    for (let n = 0; n < 60_000; n++) grants.allowed(n < 1_000 ? 'DESCRIBE' : 'DELETE', 'TOPIC', `topic-${n}`, audit)
    grants.allowed('READ', 'GROUP', 'g'.repeat(30_000), audit)
    world.authorizer.write(audit)
    const [topics, groups] = world.lines.map(({ details }) => details)
    assert.equal(world.lines.length, 2)
    assert.equal(topics!.operation, 'DESCRIBE, DELETE')
    assert.equal(topics!.count, 60_000)
    assert.deepEqual(topics!.resources, ['topic-0', 'topic-1', 'topic-2', 'topic-3', 'topic-4'])
    assert.equal(groups!.resource, `${'g'.repeat(256)}…`)
  })

  it('says whether any resource of a type may be written', () => {
    const write = { operation: operationCodes.WRITE }
    const some = (...acls: Acl[]) => new World(acls).authorizer.grants('User:alice', '10.0.0.1').allowedSome('WRITE', 'TOPIC')
    assert.equal(some(), false)
    assert.equal(some(acl(write)), true)
    assert.equal(some(acl(write), acl({ ...write, permissionType: deny })), false)
    assert.equal(some(acl(write), acl({ ...write, permissionType: deny, resourceName: 'ord', patternType: prefixed })), false)
    assert.equal(some(acl({ ...write, patternType: prefixed }), acl({ ...write, permissionType: deny })), true)
    assert.equal(some(acl({ ...write, resourceName: '*' }), acl({ ...write, permissionType: deny })), true)
    assert.equal(some(acl({ ...write, resourceName: '*' }), acl({ ...write, resourceName: '*', permissionType: deny })), false)
  })
})

describe('properties of ACLs', () => {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  const names = ['a', 'ab', 'abc', 'b', 'ba', 'c', '*']
  const someAcl = () =>
    acl({
      resourceName: pick(names),
      patternType: pick([literal, prefixed]),
      principal: pick(['User:alice', 'User:bob', 'User:*']),
      host: pick(['*', '10.0.0.1', '10.0.0.2']),
      operation: pick([allOperations, 3, 4, 6, 7, 8, 10, 11]),
      permissionType: pick([allow, allow, deny]),
    })
  const accesses = ['User:alice', 'User:bob'].flatMap(principal =>
    ['10.0.0.1', '10.0.0.3'].flatMap(host =>
      [3, 4, 8, 10].flatMap(operation => ['a', 'abcd', 'ba', 'x', '*'].map(name => ({ principal, host, operation, name }))),
    ),
  )
  const decide = (index: AclIndex, { principal, host, operation, name }: (typeof accesses)[number]) =>
    index.decide(principal, host, operation, topic, name).kind

  /** The rules as Kafka states them, without any index. */
  function naive(acls: readonly Acl[], { principal, host, operation, name }: (typeof accesses)[number]): string {
    const about = acls.filter(({ patternType, resourceName }) =>
      patternType === literal ? resourceName === name || resourceName === '*' : name.startsWith(resourceName),
    )
    if (about.length === 0) return 'no-acls'
    const implies: Record<number, number[]> = { 8: [3, 4, 6, 7, 8], 10: [10, 11] }
    const mine = about.filter(each => [principal, 'User:*'].includes(each.principal) && ['*', host].includes(each.host))
    if (mine.some(each => each.permissionType === deny && [operation, allOperations].includes(each.operation))) return 'deny'
    const sufficient = [...(implies[operation] ?? [operation]), allOperations]
    return mine.some(each => each.permissionType === allow && sufficient.includes(each.operation)) ? 'allow' : 'unmatched'
  }

  it('5,000 times: the index says what a plain search says; order is irrelevant; DENY is monotone', () => {
    for (let round = 0; round < 5_000; round++) {
      const acls = Array.from({ length: random.below(12) }, someAcl)
      const index = new AclIndex(acls)
      const reversed = new AclIndex([...acls].reverse())
      const more = new AclIndex([...acls, { ...someAcl(), permissionType: deny }])
      for (let tries = 0; tries < 8; tries++) {
        const access = pick(accesses)
        const verdict = decide(index, access)
        assert.equal(verdict, naive(acls, access), JSON.stringify({ acls, access }))
        assert.equal(decide(reversed, access), verdict)
        const after = decide(more, access)
        // One more DENY never allows what was refused.
        if (verdict !== 'allow') assert.notEqual(after, 'allow')
        if (verdict === 'deny') assert.equal(after, 'deny')
      }
    }
  })

  it('one more ALLOW never takes a right away', () => {
    for (let round = 0; round < 2_000; round++) {
      const acls = Array.from({ length: random.below(12) }, someAcl)
      const access = pick(accesses)
      if (decide(new AclIndex(acls), access) !== 'allow') continue
      assert.equal(decide(new AclIndex([...acls, { ...someAcl(), permissionType: allow }]), access), 'allow')
    }
  })

  it('1,000 ACLs cost nothing noticeable', () => {
    const world = new World(
      Array.from({ length: 1_000 }, (_, n) => acl({ resourceName: `topic-${n}`, patternType: n % 2 === 0 ? literal : prefixed })),
    )
    const grants = world.authorizer.grants('User:alice', '10.0.0.1')
    const audit = new RequestAudit('Fetch')
    grants.allowed('READ', 'TOPIC', 'topic-1', audit)
    const start = processorMs()
    for (let n = 0; n < 100_000; n++) assert.equal(grants.allowed('READ', 'TOPIC', `topic-${n % 1000}`, audit), true)
    assert.ok(processorMs() - start < 500)
  })
})
