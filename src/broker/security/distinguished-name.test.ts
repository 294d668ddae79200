import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { certificatesOfPkcs12 } from '../../formats.ts'
import { checkMappingRules, principalMapping, subjectOf } from './distinguished-name.ts'

const fixtures = new URL('../../../test/security/fixtures/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, fixtures))
const subject = (name: string) => subjectOf(new X509Certificate(read(name)).raw)

describe('the subject of a certificate', () => {
  it('is what Java makes of it', () => {
    assert.equal(subject('client.pem'), 'CN=alice,OU=Payments,O=Example\\, Inc.,C=DE')
    const odd = 'CN=\\ \\#Zoë \\"x\\" \\<y\\>\\;\\=\\\\z\\ ,1.2.840.113549.1.9.1=#160d61406578616d706c652e6f7267,UID=u1,DC=example,DC=org'
    assert.equal(subject('odd.pem'), odd)
  })

  it('never reads beyond what there is', () => {
    const { raw } = new X509Certificate(read('client.pem'))
    for (let length = 0; length < raw.length; length++) assert.throws(() => subjectOf(raw.subarray(0, length)), /not valid DER/)
    for (let at = 0; at < raw.length; at++) {
      const bent = Buffer.from(raw)
      bent[at] = 0xff
      try {
        subjectOf(bent)
      } catch (error) {
        assert.match((error as Error).message, /not valid DER/)
      }
    }
  })
})

describe('ssl.principal.mapping.rules', () => {
  const name = 'CN=Alice,OU=Payments,O=Example,C=DE'

  it('are tried in order, with groups and letters', () => {
    assert.equal(principalMapping('DEFAULT')(name), name)
    const rules = 'RULE:^CN=(.*?),OU=Orders.*$/$1@orders/L, RULE:^CN=(.*?),OU=(.*?),.*$/$1@$2/L,DEFAULT'
    assert.equal(principalMapping(rules)(name), 'alice@payments')
    assert.equal(principalMapping(rules)('CN=x'), 'CN=x')
    assert.equal(principalMapping('RULE:^CN=(.*?),.*$/$1/U')(name), 'ALICE')
    assert.equal(principalMapping('RULE:^CN=(.*?),.*$/$1\\/$9/')(name), 'Alice/$9')
  })

  it('match the whole name, and refuse who has no rule', () => {
    assert.throws(() => principalMapping('RULE:CN=Alice/admin/')(name), /No rules apply/)
    assert.throws(() => principalMapping('')(name), /No rules apply/)
  })

  it('that are none are refused at the start', () => {
    for (const rules of ['RULE', 'RULE:a/b', 'RULE:a/b/X', 'RULE:(/b/', 'DEFAULT DEFAULT'])
      assert.notEqual(checkMappingRules(rules), null, rules)
    assert.equal(checkMappingRules('RULE:a/b/L,DEFAULT'), null)
  })
})

describe('PKCS12', () => {
  const ca = new X509Certificate(read('ca.pem')).raw

  it('gives the certificates of stores that Java and OpenSSL made', () => {
    for (const store of ['trust.p12', 'trust-openssl.p12']) assert.deepEqual(certificatesOfPkcs12(read(store), 'store-pw'), [ca], store)
    assert.ok(certificatesOfPkcs12(read('broker.p12'), 'store-pw').some(certificate => certificate.equals(ca)))
  })

  it('refuses another password, and damage', () => {
    assert.throws(() => certificatesOfPkcs12(read('trust.p12'), 'wrong'), /password was incorrect/)
    const store = read('trust.p12')
    for (let length = 0; length < store.length - 1; length += 7)
      assert.throws(() => certificatesOfPkcs12(store.subarray(0, length), 'store-pw'))
    assert.throws(() => certificatesOfPkcs12(Buffer.from('hello'), ''), /not valid DER/)
  })
})
