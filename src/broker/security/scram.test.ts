import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, it } from 'node:test'
import { realSystem } from '../../base.ts'
import { AuthenticationFailed, type SaslServer, type Step } from './mechanism.ts'
import { plain } from './plain.ts'
import {
  maxIterations,
  minIterations,
  type ScramHash,
  type ScramLogins,
  saltPassword,
  scram,
  scramCredential,
  scramHashes,
} from './scram.ts'

const { random } = realSystem()
const sha256 = scramHashes[0]!

function logins(hash: ScramHash, password: string, salt: Buffer, iterations = 4096): ScramLogins {
  const salted = pbkdf2Sync(password, salt, iterations, hash.bytes, hash.digest)
  const credential = scramCredential(hash, salted, salt, iterations)
  return {
    user: (name, type) => (['user', 'a,b=c'].includes(name) && type === hash.type ? { credential, principal: `User:${name}` } : undefined),
    token: async id => (id === 'token' ? { credential, principal: 'User:owner', expiresAtMs: 5 } : undefined),
  }
}

/** A client by the letter of the RFC; `bend` changes what it sends last. */
async function login(
  server: SaslServer,
  hash: ScramHash,
  user: string,
  password: string,
  bend = (text: string) => text,
  more = '',
  header = 'n,,',
) {
  const bare = `n=${user},r=clientnonce${more}`
  const first = (await server.step(Buffer.from(header + bare))).reply.toString()
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(first)!
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), hash.bytes, hash.digest)
  const clientKey = createHmac(hash.digest, salted).update('Client Key').digest()
  const final = `c=${Buffer.from(header).toString('base64')},r=${nonce}`
  const authMessage = `${bare},${first},${final}`
  const stored = createHash(hash.digest).update(clientKey).digest()
  const signature = createHmac(hash.digest, stored).update(authMessage).digest()
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!)).toString('base64')
  const serverKey = createHmac(hash.digest, salted).update('Server Key').digest()
  const expected = `v=${createHmac(hash.digest, serverKey).update(authMessage).digest('base64')}`
  const step = await server.step(Buffer.from(bend(`${final},p=${proof}`)))
  return { step, expected }
}

const failure = (reason: RegExp) => (error: unknown) => error instanceof AuthenticationFailed && reason.test(error.message)

describe('SCRAM', () => {
  it('is that of RFC 7677', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
    const server = scram(sha256, logins(sha256, 'pencil', salt), random, () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0').open()
    const first = await server.step(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))
    assert.equal(first.reply.toString(), 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096')
    const proof = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
    const last = await server.step(Buffer.from(`c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=${proof}`))
    assert.equal(last.reply.toString(), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
    assert.equal(last.done && last.principal, 'User:user')
  })

  it('lets in who knows the password, with both hashes, and proves itself', async () => {
    for (const hash of scramHashes) {
      const mechanism = scram(hash, logins(hash, 'secret', Buffer.from('salt')), random)
      const { step, expected } = await login(mechanism.open(), hash, 'user', 'secret')
      assert.equal(step.done, true)
      assert.equal(step.reply.toString(), expected)
    }
  })

  it('salts passwords as clients do', async () => {
    const salt = Buffer.from('salt')
    assert.deepEqual(await saltPassword(sha256, 'p', salt, 4096), pbkdf2Sync('p', salt, 4096, 32, 'sha256'))
    assert.deepEqual([minIterations, maxIterations], [4096, 16_384])
  })

  it('decodes names, and rejects invalid ones', async () => {
    const mechanism = scram(sha256, logins(sha256, 'secret', Buffer.from('salt')), random)
    const { step } = await login(mechanism.open(), sha256, 'a=2Cb=3Dc', 'secret')
    assert.equal(step.done && step.principal, 'User:a,b=c')
    await assert.rejects(async () => mechanism.open().step(Buffer.from('n,,n=a=b,r=x')), failure(/Invalid username/))
    for (const bad of ['', 'n,,n=user', 'y,,n=user,r=x', 'p=tls-unique,,n=user,r=x', 'n,,n=,r=x', 'n,,n=user,r=a b', 'n,,n=user,r=é']) {
      await assert.rejects(async () => mechanism.open().step(Buffer.from(bad)), failure(/client first message/), bad)
    }
  })

  it('fails in the same way, at the same point, for a wrong password and an unknown user', async () => {
    const mechanism = scram(sha256, logins(sha256, 'secret', Buffer.from('salt')), random)
    const message = async (user: string) =>
      login(mechanism.open(), sha256, user, 'wrong').then(
        () => assert.fail('let in'),
        error => [error.message, error.told],
      )
    assert.deepEqual(await message('user'), ['Invalid client credentials', null])
    assert.deepEqual(await message('nobody'), await message('user'))
    const saltOf = async () => (await mechanism.open().step(Buffer.from('n,,n=nobody,r=x'))).reply.toString().split(',s=')[1]
    assert.equal(await saltOf(), await saltOf(), 'a salt that changes tells that there is no such user')
  })

  it('wants the whole nonce back (CVE-2024-56128), the same header and a proof of the right length', async () => {
    const mechanism = scram(sha256, logins(sha256, 'secret', Buffer.from('salt')), random)
    const bent = (bend: (text: string) => string) => login(mechanism.open(), sha256, 'user', 'secret', bend)
    await assert.rejects(
      bent(text => text.replace('r=clientnonce', 'r=')),
      failure(/Invalid client nonce/),
    )
    await assert.rejects(
      bent(text => text.replace('r=clientnonce', 'r=otherclient')),
      failure(/Invalid client nonce/),
    )
    await assert.rejects(
      bent(text => text.replace('c=biws', 'c=eSws')),
      failure(/channel binding/),
    )
    await assert.rejects(
      bent(text => text.replace(/p=.*/, 'p=AAAA')),
      failure(/Invalid client credentials/),
    )
    await assert.rejects(
      bent(() => 'garbage'),
      failure(/final message format/),
    )
  })

  it('rejects acting for another user (CVE-2017-12610)', async () => {
    const mechanism = scram(sha256, logins(sha256, 'secret', Buffer.from('salt')), random)
    const other = login(mechanism.open(), sha256, 'user', 'secret', undefined, '', 'n,a=admin,')
    await assert.rejects(other, (error: AuthenticationFailed) => /different from username/.test(error.told!))
    const same = await login(mechanism.open(), sha256, 'user', 'secret', undefined, '', 'n,a=user,')
    assert.equal(same.step.done, true)
  })

  it('refuses credentials that are too weak, however they came in', async () => {
    const mechanism = scram(sha256, logins(sha256, 'secret', Buffer.from('salt'), 4095), random)
    await assert.rejects(login(mechanism.open(), sha256, 'user', 'secret'), failure(/Iterations 4095 is less than 4096/))
  })

  it('lets in with a token only who says so, as its owner, until it ends', async () => {
    const mechanism = scram(sha256, logins(sha256, 'hmac', Buffer.from('salt')), random)
    const { step } = await login(mechanism.open(), sha256, 'token', 'hmac', undefined, ',tokenauth=true')
    const { reply: _, ...rest } = step
    assert.deepEqual(rest, { done: true, principal: 'User:owner', viaToken: true, expiresAtMs: 5 })
    await assert.rejects(login(mechanism.open(), sha256, 'token', 'hmac'), failure(/Invalid client credentials/))
    await assert.rejects(
      login(mechanism.open(), sha256, 'user', 'hmac', undefined, ',tokenauth=true'),
      failure(/Invalid client credentials/),
    )
  })
})

describe('PLAIN', () => {
  const mechanism = plain(
    new Map([
      ['username', 'broker'],
      ['user_alice', 'a-pw'],
      ['user_admin', 'x'],
    ]),
  )
  const step = (text: string) => mechanism.open().step(Buffer.from(text)) as Step
  const told = (text: string) => {
    try {
      return step(text).done
    } catch (error) {
      return (error as AuthenticationFailed).told
    }
  }

  it('lets in who knows the password', () => {
    assert.deepEqual(step('\0alice\0a-pw'), { done: true, reply: Buffer.alloc(0), principal: 'User:alice' })
    assert.equal(told('alice\0alice\0a-pw'), true)
  })

  it('reports an unknown user and a wrong password in the same way', () => {
    assert.equal(told('\0alice\0wrong'), 'Authentication failed: Invalid username or password')
    for (const text of ['\0nobody\0a-pw', '\0alice\0a-pw2', '\0broker\0broker', '\0__proto__\0x'])
      assert.equal(told(text), told('\0alice\0wrong'))
  })

  it('rejects acting for another user, and malformed messages', () => {
    assert.match(String(told('admin\0alice\0a-pw')), /different from username/)
    assert.match(String(told('\0\0a-pw')), /username not specified/)
    assert.match(String(told('\0alice\0')), /password not specified/)
    for (const text of ['', 'alice', 'a\0b', '\0alice\0a-pw\0']) assert.throws(() => step(text), failure(/expected 3 tokens/))
  })
})
