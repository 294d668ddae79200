/**
 * SASL SCRAM (RFC 5802, RFC 7677): the client proves that it knows a password, of which the broker stores only derived keys.
 *
 * Also used to log in with delegation tokens (KIP-48): with the extension `tokenauth=true`, name and password are a token's id and HMAC. An
 * unknown user gets a random-looking salt and fails at the last message, exactly like one with a wrong password; in Kafka it fails at the first.
 */
import { createHash, createHmac, hash, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Random } from '../../base.ts'
import type { ScramCredential } from '../../coordinator.ts'
import { AuthenticationFailed, type SaslMechanism, type SaslServer, type Step } from './mechanism.ts'

export interface ScramHash {
  readonly name: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  /** Kafka's ScramMechanism type. */
  readonly type: number
  readonly digest: 'sha256' | 'sha512'
  readonly bytes: number
}

export const scramHashes: readonly ScramHash[] = [
  { name: 'SCRAM-SHA-256', type: 1, digest: 'sha256', bytes: 32 },
  { name: 'SCRAM-SHA-512', type: 2, digest: 'sha512', bytes: 64 },
]

export const minIterations = 4_096
export const maxIterations = 16_384

/** What a login is checked against. */
export interface ScramLogin {
  credential: ScramCredential
  /** `User:alice` */
  principal: string
  /** Only of tokens; wall clock. */
  expiresAtMs?: number
}

export interface ScramLogins {
  user(name: string, type: number): ScramLogin | undefined
  token(tokenId: string, hash: ScramHash): Promise<ScramLogin | undefined>
}

export function scramCredential({ digest }: ScramHash, saltedPassword: Buffer, salt: Buffer, iterations: number): ScramCredential {
  const clientKey = createHmac(digest, saltedPassword).update('Client Key').digest()
  const serverKey = createHmac(digest, saltedPassword).update('Server Key').digest()
  return { salt, iterations, storedKey: createHash(digest).update(clientKey).digest(), serverKey }
}

const derive = promisify(pbkdf2)

export function saltPassword({ digest, bytes }: ScramHash, password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return derive(password, salt, iterations, bytes, digest)
}

/** `nonce` makes the broker's share of a nonce. */
export function scram(hashed: ScramHash, logins: ScramLogins, random: Random, nonce = () => randomNonce(random)): SaslMechanism {
  const secret = drawBytes(random, hashed.bytes)
  return { name: hashed.name, open: () => new ScramServer(hashed, logins, nonce(), secret) }
}

function randomNonce(random: Random): string {
  return drawBytes(random, nonceBytes).toString('base64url')
}

/** The header without channel binding, which Kafka's listeners do not offer; name and nonce; and what KIP-48 and others add. */
const clientFirst = /^(n,(?:a=([^,]*))?,)((?:m=[^,]*,)?n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)((?:,[A-Za-z]+=[^,]*)*))$/
const clientFinal = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]+=[^,]*)*),p=([A-Za-z0-9+/=]+)$/
const nonceBytes = 24
const saltBytes = 16

class ScramServer implements SaslServer {
  readonly #hash: ScramHash
  readonly #logins: ScramLogins
  readonly #nonce: string
  /** Creates salts for users that do not exist; always the same for a name. */
  readonly #secret: Buffer
  #login: ScramLogin | undefined
  #first: { header: string; bare: string; server: string; nonce: string; salted: ScramCredential; viaToken: boolean } | null = null

  constructor(hashed: ScramHash, logins: ScramLogins, nonce: string, secret: Buffer) {
    this.#hash = hashed
    this.#logins = logins
    this.#nonce = nonce
    this.#secret = secret
  }

  step(token: Buffer): Step | Promise<Step> {
    const message = token.toString('utf8')
    return this.#first === null ? this.#begin(message) : this.#finish(message)
  }

  async #begin(message: string): Promise<Step> {
    const match = clientFirst.exec(message)
    if (match === null) throw new AuthenticationFailed('Invalid SCRAM client first message format')
    const [, header, authorizationId, bare, encodedName, clientNonce, extensions] = match as unknown as string[]
    const name = decodeName(encodedName!)
    if (authorizationId !== undefined && authorizationId !== '' && decodeName(authorizationId) !== name) {
      const reason = 'Authentication failed: Client requested an authorization id that is different from username'
      throw new AuthenticationFailed(reason, reason)
    }
    const viaToken = extensions!.toLowerCase().split(',').includes('tokenauth=true')
    this.#login = viaToken ? await this.#logins.token(name, this.#hash) : this.#logins.user(name, this.#hash.type)
    const salted = this.#login?.credential ?? this.#madeUp(name)
    if (salted.iterations < minIterations) throw new AuthenticationFailed(`Iterations ${salted.iterations} is less than ${minIterations}`)
    const nonce = clientNonce! + this.#nonce
    const server = `r=${nonce},s=${salted.salt.toString('base64')},i=${salted.iterations}`
    this.#first = { header: header!, bare: bare!, server, nonce, salted, viaToken }
    return { done: false, reply: Buffer.from(server) }
  }

  #finish(message: string): Step {
    const { header, bare, server, nonce, salted, viaToken } = this.#first!
    const match = clientFinal.exec(message)
    if (match === null) throw new AuthenticationFailed('Invalid SCRAM client final message format')
    const [, withoutProof, binding, finalNonce, proofText] = match as unknown as string[]
    // The whole nonce, not only its end (CVE-2024-56128).
    if (finalNonce !== nonce) throw new AuthenticationFailed('Invalid client nonce in the final client message.')
    if (Buffer.from(binding!, 'base64').toString('utf8') !== header) throw new AuthenticationFailed('Invalid channel binding')
    const authMessage = `${bare},${server},${withoutProof}`
    const proof = Buffer.from(proofText!, 'base64')
    const { digest, bytes } = this.#hash
    const signature = createHmac(digest, salted.storedKey).update(authMessage).digest()
    if (proof.length !== bytes) throw new AuthenticationFailed('Invalid client credentials')
    for (let at = 0; at < bytes; at++) proof[at]! ^= signature[at]!
    const proven = timingSafeEqual(hash(digest, proof, 'buffer'), salted.storedKey)
    if (!proven || this.#login === undefined) throw new AuthenticationFailed('Invalid client credentials')
    const reply = Buffer.from(`v=${createHmac(digest, salted.serverKey).update(authMessage).digest('base64')}`)
    const { principal, expiresAtMs } = this.#login
    return { done: true, reply, principal, viaToken, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) }
  }

  #madeUp(name: string): ScramCredential {
    const { digest, bytes } = this.#hash
    const salt = createHmac(digest, this.#secret).update(name).digest().subarray(0, saltBytes)
    return { salt, storedKey: Buffer.alloc(bytes), serverKey: Buffer.alloc(bytes), iterations: minIterations }
  }
}

/** RFC 5802's saslname. */
function decodeName(encoded: string): string {
  if (/=(?!2C|3D)/.test(encoded)) throw new AuthenticationFailed(`Invalid username: ${encoded}`)
  return encoded.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

export function drawBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  random.fill(bytes)
  return bytes
}
