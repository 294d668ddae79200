/**
 * Verifies JSON Web Tokens (RFC 7519): a token must be signed by a key of the issuer with an allowed algorithm, be meant for this
 * audience, and be valid now. The algorithm must be allowed and fit the key; the token alone never decides (CVE-2026-33557).
 */
import { constants, type KeyObject, verify } from 'node:crypto'
import type { SigningKey } from './jwks.ts'

export interface JwtRules {
  /** null: not checked. */
  issuer: string | null
  /** Of which a token must name one; null: not checked. */
  audiences: readonly string[] | null
  clockSkewSeconds: number
  subjectClaim: string
}

export interface VerifiedJwt {
  subject: string
  expiresAtMs: number
  claims: Readonly<Record<string, unknown>>
}

/** What the token lacks; safe to log, since no part of the token is in it. */
export class BadToken extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'BadToken'
  }
}

interface Algorithm {
  hash: string | null
  fits(key: KeyObject): boolean
  pss?: boolean
}

const isRsa = (key: KeyObject) => key.asymmetricKeyType === 'rsa'
const isCurve = (curve: string) => (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === curve

const algorithms: ReadonlyMap<string, Algorithm> = new Map(
  Object.entries({
    RS256: { hash: 'sha256', fits: isRsa },
    RS384: { hash: 'sha384', fits: isRsa },
    RS512: { hash: 'sha512', fits: isRsa },
    PS256: { hash: 'sha256', fits: isRsa, pss: true },
    PS384: { hash: 'sha384', fits: isRsa, pss: true },
    PS512: { hash: 'sha512', fits: isRsa, pss: true },
    ES256: { hash: 'sha256', fits: isCurve('prime256v1') },
    ES384: { hash: 'sha384', fits: isCurve('secp384r1') },
    ES512: { hash: 'sha512', fits: isCurve('secp521r1') },
    EdDSA: { hash: null, fits: key => key.asymmetricKeyType === 'ed25519' },
  } satisfies Record<string, Algorithm>),
)

type Json = Record<string, unknown>
const segment = /^[A-Za-z0-9_-]+$/

/** Throws {@link BadToken}. */
export async function verifyJwt(
  token: string,
  keysOf: (id: string | null) => Promise<readonly SigningKey[]>,
  rules: JwtRules,
  nowMs: number,
): Promise<VerifiedJwt> {
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every(part => segment.test(part))) throw new BadToken('it is not a signed JWT')
  const [header, payload, signature] = parts as [string, string, string]
  const { alg, kid, crit } = json(header, 'header')
  const algorithm = typeof alg === 'string' ? algorithms.get(alg) : undefined
  if (algorithm === undefined) throw new BadToken('its algorithm is not allowed')
  if (crit !== undefined) throw new BadToken('it has critical extensions')
  const keys = await keysOf(typeof kid === 'string' ? kid : null)
  const usable = keys.filter(key => algorithm.fits(key.key) && (key.algorithm === null || key.algorithm === alg))
  if (usable.length === 0) throw new BadToken('no key of the issuer fits')
  const signed = Buffer.from(`${header}.${payload}`)
  const bytes = Buffer.from(signature, 'base64url')
  if (!usable.some(({ key }) => isSigned(algorithm, key, signed, bytes))) throw new BadToken('its signature is wrong')
  return checkClaims(json(payload, 'payload'), rules, nowMs / 1000)
}

function isSigned({ hash, pss }: Algorithm, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {}
  return verify(hash, data, { key, dsaEncoding: 'ieee-p1363', ...padding }, signature)
}

function checkClaims(claims: Json, rules: JwtRules, now: number): VerifiedJwt {
  const { iss, aud, exp, nbf, iat } = claims
  const skew = rules.clockSkewSeconds
  if (rules.issuer !== null && iss !== rules.issuer) throw new BadToken('it is of another issuer')
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud]
  if (rules.audiences !== null && !rules.audiences.some(each => audiences.includes(each))) throw new BadToken('it is for another audience')
  if (!isTime(exp)) throw new BadToken('it never expires')
  if (now - skew >= exp) throw new BadToken('it has expired')
  if (nbf !== undefined && (!isTime(nbf) || now + skew < nbf)) throw new BadToken('it is not valid yet')
  if (!isTime(iat)) throw new BadToken('it does not say when it was issued')
  if (now + skew < iat) throw new BadToken('it was issued in the future')
  const subject = Object.hasOwn(claims, rules.subjectClaim) ? claims[rules.subjectClaim] : undefined
  if (typeof subject !== 'string' || subject.trim() === '') throw new BadToken(`it has no claim ${rules.subjectClaim}`)
  return { subject, expiresAtMs: exp * 1000, claims }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function json(part: string, what: string): Json {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new BadToken(`its ${what} is not a JSON object`)
}
