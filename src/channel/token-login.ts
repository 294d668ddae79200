/**
 * Logging in with a delegation token (KIP-48): SCRAM (RFC 5802) with the extension `tokenauth=true`, which the library does not send. Name and password are
 * the token's id and HMAC.
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

/** The library's hook for a login of one's own. */
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

/** `login`: the newest token, asked for at each login. */
export function tokenAuthentication(login: () => TokenLogin, random: Random): Authenticate {
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
  { tokenId, hmac }: TokenLogin,
  random: Random,
  ask: (text: string) => Promise<A>,
): Promise<A> {
  const drawn = Buffer.alloc(nonceBytes)
  random.fill(drawn)
  const nonce = drawn.toString('base64url')
  const first = `n=${tokenId.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce},tokenauth=true`
  const served = (await ask(header + first)).authBytes.toString('utf8')
  const [, serverNonce = '', salt = '', rounds = ''] = /^r=([^,]+),s=([^,]+),i=(\d{1,9})(?:,|$)/.exec(served) ?? []
  const iterations = Number(rounds)
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce || iterations < fewestIterations || iterations > mostIterations)
    throw new ClientError('REFUSED', 'the broker does not answer a login with a delegation token as SCRAM demands')
  const salted = await derive(hmac, Buffer.from(salt, 'base64'), iterations, digest === 'sha256' ? 32 : 64, digest)
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
      kind === 'e' ? `the broker rejected the login: ${given.slice(0, 200)}` : 'the broker does not know the delegation token',
    )
  return last
}
