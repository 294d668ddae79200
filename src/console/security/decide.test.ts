import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Acl } from '../../client.ts'
import { decide } from './decide.ts'

const acl = (changes: Partial<Acl>): Acl => ({
  ...{ resourceType: 'TOPIC', resourceName: 'orders', patternType: 'LITERAL', principal: 'User:alice', host: '*' },
  ...{ operation: 'READ', permission: 'ALLOW' },
  ...changes,
})
const broker = { superUsers: ['User:root'], allowWithoutAcl: false, authorizer: true }
const asked = { principal: 'User:alice', host: '*', resourceType: 'TOPIC', resourceName: 'orders', operation: 'READ' } as const

const cases: readonly [what: string, acls: Acl[], changes: object, allowed: boolean, reason: RegExp][] = [
  ['an ACL allows', [acl({})], {}, true, /^An ACL allows it/],
  ['READ implies DESCRIBE', [acl({})], { operation: 'DESCRIBE' }, true, /allows/],
  ['DESCRIBE implies no READ', [acl({ operation: 'DESCRIBE' })], {}, false, /about other operations/],
  ['ALL', [acl({ operation: 'ALL' })], { operation: 'DELETE' }, true, /allows/],
  ['DENY counts more', [acl({}), acl({ permission: 'DENY' })], {}, false, /denies it/],
  ['DENY of READ does not deny DESCRIBE', [acl({}), acl({ permission: 'DENY' })], { operation: 'DESCRIBE' }, true, /allows/],
  ['a prefix', [acl({ resourceName: 'ord', patternType: 'PREFIXED' })], {}, true, /allows/],
  ['no prefix', [acl({ resourceName: 'ord' })], {}, false, /No ACL is about this resource/],
  ['every topic', [acl({ resourceName: '*' })], {}, true, /allows/],
  ['everybody', [acl({ principal: 'User:*' })], {}, true, /allows/],
  ['somebody else', [acl({ principal: 'User:bob' })], {}, false, /none of them is for User:alice/],
  ['another host', [acl({ host: '10.0.0.1' })], { host: '10.0.0.2' }, false, /none of them/],
  ['this host', [acl({ host: '10.0.0.1' })], { host: '10.0.0.1' }, true, /allows/],
  ['a super user', [acl({ permission: 'DENY', principal: 'User:root' })], { principal: 'User:root' }, true, /super\.users/],
]

test('an operation is allowed or denied as by the authorizer, with the reason', () => {
  for (const [what, acls, changes, allowed, reason] of cases) {
    const decision = decide({ ...asked, ...changes }, acls, broker)
    assert.equal(decision.allowed, allowed, what)
    assert.match(decision.reason, reason, what)
  }
  assert.equal(decide(asked, [], { ...broker, allowWithoutAcl: true }).allowed, true)
  assert.equal(decide(asked, [acl({ principal: 'User:bob' })], { ...broker, allowWithoutAcl: true }).allowed, false, 'an ACL is about it')
  assert.equal(decide(asked, [], { ...broker, authorizer: false }).allowed, true)
  assert.equal(decide(asked, [], null).allowed, false)
})
