/** SASL OAUTHBEARER (RFC 7628): a token of the configured issuer instead of a password. The reason for a rejected token goes only to the audit log. */

import { BadToken, type VerifiedJwt } from '../../jwt.ts'
import { AuthenticationFailed, type SaslMechanism, type SaslServer, type Step } from './mechanism.ts'

/** Throws BadToken. */
export type VerifyToken = (token: string) => Promise<VerifiedJwt>

export function oauthBearer(verify: VerifyToken): SaslMechanism {
  return { name: 'OAUTHBEARER', open: () => new OAuthBearerServer(verify) }
}

/** Between the parts of a message. */
const separator = '\u0001'
/** A message has only a few; one with more does not end as it must. */
const mostParts = 100
const header = /^n,(?:a=([^,]*))?,$/
const pair = /^[A-Za-z]+=[ -~\t\r\n]+$/
const refusal = '{"status":"invalid_token"}'

class OAuthBearerServer implements SaslServer {
  readonly #verify: VerifyToken
  /** Why the token was rejected; the client gets an error, and confirms it. */
  #refused: string | null = null

  constructor(verify: VerifyToken) {
    this.#verify = verify
  }

  async step(token: Buffer): Promise<Step> {
    if (this.#refused !== null) throw new AuthenticationFailed(this.#refused, refusal)
    const [begin, ...pairs] = token.toString('utf8').split(separator, mostParts)
    const match = header.exec(begin!)
    const ends = pairs.pop() === '' && pairs.pop() === ''
    if (match === null || !ends || !pairs.every(each => pair.test(each))) {
      throw new AuthenticationFailed('Invalid OAUTHBEARER client first message')
    }
    const bearer = pairs.map(each => /^auth=bearer +(\S+)$/i.exec(each)?.[1]).find(value => value !== undefined)
    if (bearer === undefined) throw new AuthenticationFailed("Invalid OAUTHBEARER client first message: 'auth' not specified")
    try {
      return this.#accept(await this.#verify(bearer), match[1] ?? '')
    } catch (error) {
      if (!(error instanceof BadToken)) throw error
      this.#refused = `token refused: ${error.message}`
      return { done: false, reply: Buffer.from(refusal) }
    }
  }

  #accept({ subject, expiresAtMs }: VerifiedJwt, authorizationId: string): Step {
    if (authorizationId !== '' && authorizationId !== subject) {
      const reason = "Authentication failed: Client requested an authorization id that is different from the token's principal name"
      throw new AuthenticationFailed(reason, reason)
    }
    return { done: true, reply: Buffer.alloc(0), principal: `User:${subject}`, expiresAtMs }
  }
}
