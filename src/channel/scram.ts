/**
 * Logging in with SCRAM (RFC 5802): with a name and a password, or with a delegation token (KIP-48), whose id and HMAC take their place with the extension
 * `tokenauth=true`.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Random } from '../base.ts'
import { ClientError } from './errors.ts'

export interface TokenLogin {
  readonly tokenId: string
  /** In base64. */
  readonly hmac: string
}

interface Answer {
  readonly authBytes: Buffer
}

type Callback<A> = (error: Error | null, answer?: A) => void

/** With which SCRAM logs in. */
export interface ScramLogin {
  readonly name: string
  readonly password: string
  readonly isToken: boolean
}

/** The library's hook for a login of one's own, which our connections call, too. */
export type Authenticate = <C, A extends Answer>(
  mechanism: string,
  connection: C,
  send: (connection: C, bytes: Buffer, callback: Callback<A>) => void,
  username: unknown,
  password: unknown,
  token: unknown,
  callback: Callback<A>,
) => void

const header = 'n,,'
const nonceBytes = 18
/** A broker that asks for more would keep this process busy. */
const [fewestIterations, mostIterations] = [4_096, 1_000_000]
const derive = promisify(pbkdf2)

/** `login`: asked for at each login. */
export function scramAuthentication(login: () => ScramLogin, random: Random): Authenticate {
  return (mechanism, connection, send, _username, _password, _token, callback) => {
    const ask = (text: string) =>
      new Promise<NonNullable<Parameters<typeof callback>[1]>>((resolve, reject) => {
        send(connection, Buffer.from(text), (error, answer) => (answer === undefined ? reject(error) : resolve(answer)))
      })
    authenticate(mechanism === 'SCRAM-SHA-512' ? 'sha512' : 'sha256', login(), random, ask).then(
      answer => callback(null, answer),
      error => callback(error),
    )
  }
}

async function authenticate<A extends Answer>(
  digest: 'sha256' | 'sha512',
  { name, password, isToken }: ScramLogin,
  random: Random,
  ask: (text: string) => Promise<A>,
): Promise<A> {
  const drawn = Buffer.alloc(nonceBytes)
  random.fill(drawn)
  const nonce = drawn.toString('base64url')
  const first = `n=${name.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}${isToken ? ',tokenauth=true' : ''}`
  const served = (await ask(header + first)).authBytes.toString('utf8')
  const [, serverNonce = '', salt = '', rounds = ''] = /^r=([^,]+),s=([^,]+),i=(\d{1,9})(?:,|$)/.exec(served) ?? []
  const iterations = Number(rounds)
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce || iterations < fewestIterations || iterations > mostIterations)
    throw new ClientError('REFUSED', 'the broker does not answer the login as SCRAM demands')
  const salted = await derive(password, Buffer.from(salt, 'base64'), iterations, digest === 'sha256' ? 32 : 64, digest)
  const mac = (key: Buffer, text: string) => createHmac(digest, key).update(text).digest()
  const clientKey = mac(salted, 'Client Key')
  const unproven = `c=${Buffer.from(header).toString('base64')},r=${serverNonce}`
  const message = `${first},${served},${unproven}`
  const signature = mac(createHash(digest).update(clientKey).digest(), message)
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!))
  const last = await ask(`${unproven},p=${proof.toString('base64')}`)
  const [, kind, given = ''] = /^([ve])=([^,]*)/.exec(last.authBytes.toString('utf8')) ?? []
  const [wanted, got] = [mac(mac(salted, 'Server Key'), message), Buffer.from(given, 'base64')]
  if (kind !== 'v' || wanted.length !== got.length || !timingSafeEqual(wanted, got))
    throw new ClientError(
      'REFUSED',
      kind === 'e'
        ? `the broker rejected the login: ${given.slice(0, 200)}`
        : 'the broker does not know the password, or the delegation token',
    )
  return last
}
